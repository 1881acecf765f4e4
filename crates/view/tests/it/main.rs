mod access;
mod escaping;
mod limits;
mod live;
mod sample;
mod scripts;
mod snapshots;
