//! `github.event` of what happens on this side of a forge (GitHub, "Webhook events and payloads").

use serde_json::{Map, Value, json};
use sluice_model::{Event, Trigger};

/// What an event's payload says beyond its trigger.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The commit that the trigger is of.
    pub commit: CommitFacts,
    pub default_branch: String,
    /// The commit of the branch that a pull request would enter, where it is known.
    pub base_sha: Option<String>,
    /// The number of a pull request.
    pub number: u64,
    /// `https://github.com`
    pub server_url: String,
}

/// What git says about a commit.
#[derive(Debug, Clone, Default)]
pub struct CommitFacts {
    pub tree: String,
    pub message: String,
    pub author: Person,
    pub committer: Person,
    /// When it was committed, in ISO 8601.
    pub timestamp: String,
}

#[derive(Debug, Clone, Default)]
pub struct Person {
    pub name: String,
    pub email: String,
}

/// The payload of an event, as far as it can be told without a forge. Who acts is the commit's author.
pub fn payload(trigger: &Trigger, facts: &Facts) -> Value {
    let mut payload = Map::new();
    let mut put = |key: &str, value: Value| payload.insert(key.to_owned(), value);
    put("repository", repository(trigger, facts));
    put("sender", user(trigger.actor.as_str()));
    if let Some(action) = &trigger.action {
        put("action", json!(action));
    }
    match trigger.event {
        Event::Push => {
            let commit = commit(trigger, facts);
            let before = trigger.before.as_ref().map_or("0".repeat(40), ToString::to_string);
            put("ref", json!(trigger.git_ref));
            put("before", json!(before));
            put("after", json!(trigger.sha));
            put("base_ref", Value::Null);
            put("created", json!(trigger.before.is_none() || trigger.tag().is_some()));
            put("deleted", json!(false));
            put("forced", json!(false));
            put("compare", json!(compare(trigger, facts, &before)));
            put("commits", json!([commit]));
            put("head_commit", commit);
            put("pusher", json!({ "name": trigger.actor, "email": facts.commit.author.email }));
        }
        Event::PullRequest | Event::PullRequestTarget => {
            put("number", json!(facts.number));
            put("pull_request", pull_request(trigger, facts));
            if trigger.action.as_deref() == Some("synchronize") {
                put("before", json!(trigger.before));
                put("after", json!(trigger.sha));
            }
        }
        Event::WorkflowDispatch => {
            put("ref", json!(trigger.git_ref));
            put("inputs", json!(trigger.inputs));
        }
        Event::RepositoryDispatch => {
            put("branch", json!(trigger.ref_name()));
            put("client_payload", json!({}));
        }
        Event::Release => {
            put("release", release(trigger, facts));
        }
        Event::MergeGroup => {
            let group = json!({
                "head_sha": trigger.sha,
                "head_ref": trigger.git_ref,
                "head_commit": commit(trigger, facts),
                "base_sha": facts.base_sha,
                "base_ref": format!("refs/heads/{}", base(trigger, facts)),
            });
            put("merge_group", group);
        }
        Event::Schedule | Event::RegistryPackage => {}
    }
    Value::Object(payload)
}

/// `given` on top of `told`: objects are merged, anything else is what is given.
pub fn overlaid(told: Value, given: Value) -> Value {
    match (told, given) {
        (Value::Object(mut told), Value::Object(given)) => {
            for (key, value) in given {
                let value = match told.remove(&key) {
                    Some(known) => overlaid(known, value),
                    None => value,
                };
                told.insert(key, value);
            }
            Value::Object(told)
        }
        (_, given) => given,
    }
}

fn address(trigger: &Trigger, facts: &Facts) -> String {
    format!("{}/{}", facts.server_url.trim_end_matches('/'), trigger.repository)
}

fn base<'a>(trigger: &'a Trigger, facts: &'a Facts) -> &'a str {
    trigger.base_ref.as_deref().unwrap_or(&facts.default_branch)
}

fn compare(trigger: &Trigger, facts: &Facts, before: &str) -> String {
    let short = |sha: &str| sha.chars().take(12).collect::<String>();
    let address = address(trigger, facts);
    match trigger.before {
        Some(_) => format!("{address}/compare/{}...{}", short(before), short(trigger.sha.as_str())),
        None => format!("{address}/commit/{}", short(trigger.sha.as_str())),
    }
}

fn user(login: &str) -> Value {
    json!({ "login": login, "type": "User", "site_admin": false })
}

fn repository(trigger: &Trigger, facts: &Facts) -> Value {
    let (name, owner, address) =
        (trigger.repository.name(), trigger.repository.owner(), address(trigger, facts));
    let host = facts.server_url.split_once("://").map_or("github.com", |(_, host)| host);
    json!({
        "name": name,
        "full_name": trigger.repository,
        "owner": { "login": owner, "name": owner, "type": "User", "site_admin": false },
        "private": false,
        "visibility": "public",
        "fork": false,
        "archived": false,
        "disabled": false,
        "is_template": false,
        "description": null,
        "html_url": address,
        "url": address,
        "clone_url": format!("{address}.git"),
        "git_url": format!("git://{host}/{}.git", trigger.repository),
        "ssh_url": format!("git@{host}:{}.git", trigger.repository),
        "default_branch": facts.default_branch,
        "master_branch": facts.default_branch,
        "topics": [],
    })
}

fn commit(trigger: &Trigger, facts: &Facts) -> Value {
    let CommitFacts { tree, message, author, committer, timestamp } = &facts.commit;
    let person = |person: &Person| json!({ "name": person.name, "email": person.email });
    json!({
        "id": trigger.sha,
        "tree_id": tree,
        "distinct": true,
        "message": message,
        "timestamp": timestamp,
        "url": format!("{}/commit/{}", address(trigger, facts), trigger.sha),
        "author": person(author),
        "committer": person(committer),
        "added": [],
        "removed": [],
        "modified": trigger.changed_paths.as_deref().unwrap_or_default(),
    })
}

fn pull_request(trigger: &Trigger, facts: &Facts) -> Value {
    let address = address(trigger, facts);
    let (owner, author) = (trigger.repository.owner(), user(trigger.actor.as_str()));
    let end = |branch: &str, sha: &str| {
        json!({
            "ref": branch,
            "sha": sha,
            "label": format!("{owner}:{branch}"),
            "user": user(owner),
            "repo": repository(trigger, facts),
        })
    };
    let is_closed = trigger.action.as_deref() == Some("closed");
    json!({
        "number": facts.number,
        "state": if is_closed { "closed" } else { "open" },
        "title": trigger.subject,
        "body": null,
        "draft": false,
        "locked": false,
        "merged": false,
        "user": author,
        "author_association": "OWNER",
        "html_url": format!("{address}/pull/{}", facts.number),
        "url": format!("{address}/pull/{}", facts.number),
        "diff_url": format!("{address}/pull/{}.diff", facts.number),
        "patch_url": format!("{address}/pull/{}.patch", facts.number),
        "head": end(trigger.head_ref.as_deref().unwrap_or_default(), trigger.sha.as_str()),
        "base": end(base(trigger, facts), facts.base_sha.as_deref().unwrap_or_default()),
        "merge_commit_sha": trigger.sha,
        "labels": [],
        "assignee": null,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "milestone": null,
        "commits": 1,
        "created_at": facts.commit.timestamp,
        "updated_at": facts.commit.timestamp,
    })
}

fn release(trigger: &Trigger, facts: &Facts) -> Value {
    let tag = trigger.tag().unwrap_or_default();
    json!({
        "tag_name": tag,
        "name": tag,
        "target_commitish": facts.default_branch,
        "body": null,
        "draft": false,
        "prerelease": false,
        "author": user(trigger.actor.as_str()),
        "html_url": format!("{}/releases/tag/{tag}", address(trigger, facts)),
        "created_at": facts.commit.timestamp,
        "published_at": facts.commit.timestamp,
        "assets": [],
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::overlaid;

    #[test]
    fn what_is_given_counts_and_the_rest_stays() {
        let told = json!({ "a": { "b": 1, "c": [1, 2] }, "d": null });
        let given = json!({ "a": { "c": [3] }, "d": { "e": 1 }, "f": 2 });
        assert_eq!(
            overlaid(told.clone(), given),
            json!({ "a": { "b": 1, "c": [3] }, "d": { "e": 1 }, "f": 2 })
        );
        assert_eq!(overlaid(told, json!([])), json!([]));
    }
}
