use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::linux::{self, Identity};
use crate::protocol::Answer;

/// Who steps run as, found in this file system's `/etc/passwd` and `/etc/group` as the engine would.
pub struct StepUser {
    identity: Identity,
    home: Vec<u8>,
    /// It is not the agent's own, so that a step has to change to it.
    is_other: bool,
}

impl StepUser {
    /// The agent's own user, with the home that its environment names.
    pub fn agents_own() -> Self {
        let home = std::env::var_os("HOME").map_or_else(Vec::new, |home| home.as_bytes().to_vec());
        Self { identity: linux::own_identity(), home, is_other: false }
    }

    /// `name`, `uid`, `name:group` or `uid:gid`; empty for the agent's own.
    pub fn find(user: &[u8]) -> Result<Self, String> {
        if user.is_empty() {
            return Ok(Self::agents_own());
        }
        let text = String::from_utf8_lossy(user).into_owned();
        let (name, group) = text.split_once(':').map_or((text.as_str(), None), |(name, group)| (name, Some(group)));
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
        let found = lines(&passwd).find(|fields| fields.first() == Some(&name) || fields.get(2) == Some(&name));
        let number = |fields: &[&str], index: usize| fields.get(index).and_then(|text| text.parse::<u32>().ok());
        let uid = found.as_ref().and_then(|fields| number(fields, 2)).or_else(|| name.parse().ok());
        let uid = uid.ok_or_else(|| format!("the image has no user `{name}`"))?;
        let gid = match group {
            None => found.as_ref().and_then(|fields| number(fields, 3)).unwrap_or(0),
            Some(group) => lines(&groups)
                .find(|fields| fields.first() == Some(&group))
                .and_then(|fields| number(&fields, 2))
                .or_else(|| group.parse().ok())
                .ok_or_else(|| format!("the image has no group `{group}`"))?,
        };
        let login = found.as_ref().and_then(|fields| fields.first()).copied().unwrap_or_default();
        let member = |fields: &Vec<&str>| fields.get(3).is_some_and(|all| all.split(',').any(|one| one == login));
        let mut extra: Vec<u32> = lines(&groups).filter(member).filter_map(|fields| number(&fields, 2)).collect();
        // A socket of the host's engine that was mounted is there to be used, whatever number its group has here.
        extra.extend(std::fs::metadata("/var/run/docker.sock").map(|socket| socket.gid()));
        let home = found.as_ref().and_then(|fields| fields.get(5)).copied().filter(|home| !home.is_empty());
        let home = home.unwrap_or(if uid == 0 { "/root" } else { "/" }).as_bytes().to_vec();
        let own = linux::own_identity();
        let is_other = own.uid != uid || own.gid != gid;
        Ok(Self { identity: Identity { uid, gid, groups: extra }, home, is_other })
    }

    pub fn ready(&self) -> Answer {
        Answer::Ready { uid: self.identity.uid, gid: self.identity.gid, home: self.home.clone() }
    }

    /// What a step has to become; none where it is that already.
    pub fn switch(&self) -> Option<Identity> {
        self.is_other.then(|| self.identity.clone())
    }

    /// Gives one path to the user.
    pub fn take(&self, path: &Path) {
        if self.is_other {
            let _ = linux::change_owner(path, self.identity.uid, self.identity.gid);
        }
    }

    /// Gives a path and all below it to the user.
    pub fn take_all(&self, path: &[u8]) -> Result<(), String> {
        if self.is_other {
            give(path, self.identity.uid, self.identity.gid);
        }
        Ok(())
    }
}

fn lines(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().map(|line| line.split(':').collect())
}

/// Gives a path and all below it to `uid` and `gid`, links themselves included, without following one.
pub fn give(path: &[u8], uid: u32, gid: u32) {
    give_below(Path::new(OsStr::from_bytes(path)), uid, gid);
}

fn give_below(path: &Path, uid: u32, gid: u32) {
    let _ = linux::change_owner(path, uid, gid);
    let is_folder = std::fs::symlink_metadata(path).is_ok_and(|seen| seen.is_dir());
    if let (true, Ok(entries)) = (is_folder, std::fs::read_dir(path)) {
        entries.flatten().for_each(|entry| give_below(&entry.path(), uid, gid));
    }
}
