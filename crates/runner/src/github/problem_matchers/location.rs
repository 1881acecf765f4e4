use super::Found;

impl Found {
    /// The whole path of the file, as steps see it: below the folder of `fromPath`, else below the workspace.
    pub fn path(&self, workspace: &str) -> Option<String> {
        let mut file = self.file.clone()?;
        if !file.starts_with('/')
            && let Some((folder, _)) = self.from_path.as_ref().and_then(|path| path.rsplit_once('/'))
        {
            file = format!("{folder}/{file}");
        }
        if !file.starts_with('/') {
            file = format!("{workspace}/{file}");
        }
        Some(straight(&file))
    }
}

/// The same path without `.` and `..`.
fn straight(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => (),
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use sluice_wire::Level;

    use super::*;

    #[test]
    fn a_file_is_found_beside_from_path_or_in_the_workspace() {
        for (file, from_path, path) in [
            ("src/a.rs", None, "/w/src/a.rs"),
            ("./a.rs", None, "/w/a.rs"),
            ("/other/a.rs", Some("/w/x/y.proj"), "/other/a.rs"),
            ("a.cs", Some("/w/x/y.proj"), "/w/x/a.cs"),
            ("../a.cs", Some("x/y.proj"), "/w/a.cs"),
            ("a.cs", Some("y.proj"), "/w/a.cs"),
            ("../../../../etc/passwd", None, "/etc/passwd"),
        ] {
            let found = Found {
                level: Level::Error,
                message: String::new(),
                file: Some(file.to_owned()),
                from_path: from_path.map(str::to_owned),
                line: None,
                text: String::new(),
            };
            assert_eq!(found.path("/w").as_deref(), Some(path));
        }
    }
}
