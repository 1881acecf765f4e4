mod bucket;
mod s3;
mod store;
mod upload;
