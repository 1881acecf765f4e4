-- What is popular is a sum over each item.
CREATE INDEX orders_item ON orders (item) INCLUDE (quantity);
