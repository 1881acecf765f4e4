mod store;
mod upload;
