mod access;
mod age;
mod attest;
mod blobs;
mod bucket;
mod crash;
mod disk;
mod engine;
mod fuzz;
mod garbage;
mod images;
mod lists;
mod manifests;
mod mirror;
mod quota;
#[path = "../../../blobs/tests/it/s3.rs"]
#[allow(dead_code, reason = "the tests of blobs ask more of it")]
mod s3;
mod scrub;
mod support;
mod unpacking;
mod uploads;
