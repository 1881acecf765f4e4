//! A thin client of the Docker and Podman Engine API.
