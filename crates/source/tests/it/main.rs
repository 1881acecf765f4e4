mod hostile;
mod load;
mod render;
mod words;
