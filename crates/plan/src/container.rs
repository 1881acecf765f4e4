use serde::{Deserialize, Serialize};
use sluice_expression::Template;

use crate::{EnvEntry, Named};

/// A container that a job's steps run in, or one that runs beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Container {
    pub image: Template,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvEntry>,
    /// `80`, `8080:80`, `8080:80/udp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Template>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Template>,
    /// GitHub's `options`: flags of `docker create`, which the runner takes from a typed list only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Template>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

impl Container {
    pub fn of_image(image: Template) -> Self {
        Self {
            image,
            env: Vec::new(),
            ports: Vec::new(),
            volumes: Vec::new(),
            options: None,
            credentials: None,
            entrypoint: None,
            command: None,
            user: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Credentials {
    pub username: Template,
    pub password: Template,
}

/// A container beside the job, by the name that the job reaches it under.
///
/// GitHub: the key under `services:`. CircleCI: the `name` of a secondary image; all of them also answer on `localhost`.
pub type Service = Named<Container>;
