use sluice_model::{InstanceId, JobId, RunId, Timestamp, UserName};
use sluice_store::{
    Access, PushedImage, RunFilter, RunRow, Store, StoreError, Token, TokenKind, User, Write, hash_token,
};

use crate::{NOW, open};

fn row(id: u64, cause: &str) -> RunRow {
    RunRow {
        id: RunId(id),
        repository: "acme/shop".parse().unwrap(),
        number: id,
        cause: cause.to_owned(),
        ended: false,
        git_ref: "refs/heads/master".to_owned(),
        sha: "a".repeat(40),
        created: NOW,
        summary: "{}".to_owned(),
    }
}

#[tokio::test]
async fn one_cause_makes_one_run() {
    let (_folder, store) = open();
    store.write(Write::AddRun(row(1, "push#1/0"))).await.unwrap();
    let again = store.write(Write::AddRun(row(2, "push#1/0"))).await.unwrap_err();
    assert!(matches!(again, StoreError::Exists { .. }), "{again}");
    store.write(Write::AddRun(row(3, "push#1/1"))).await.unwrap();
    assert_eq!(ids(&store, RunFilter { limit: 10, ..RunFilter::default() }).await, [3, 1]);
    let of_push = store.runs_of_cause("push#1/").await.unwrap();
    assert_eq!(of_push.len(), 2);
}

#[tokio::test]
async fn runs_are_listed_newest_first_and_by_page() {
    let (_folder, store) = open();
    for id in 1..=5 {
        store.write(Write::AddRun(row(id, &id.to_string()))).await.unwrap();
    }
    let done = Write::UpdateRun { id: RunId(4), ended: true, summary: "{\"x\":1}".to_owned() };
    store.write(done).await.unwrap();
    let page = RunFilter { limit: 2, before: Some(RunId(4)), ..RunFilter::default() };
    assert_eq!(ids(&store, page).await, [3, 2]);
    let open = RunFilter { ended: Some(false), limit: 10, ..RunFilter::default() };
    assert_eq!(ids(&store, open).await, [5, 3, 2, 1]);
    let other = RunFilter { repository: "acme/other".parse().ok(), limit: 10, ..RunFilter::default() };
    assert!(ids(&store, other).await.is_empty());
    assert_eq!(store.run(RunId(4)).await.unwrap().unwrap().summary, "{\"x\":1}");
}

async fn ids(store: &Store, filter: RunFilter) -> Vec<u64> {
    store.runs(filter).await.unwrap().iter().map(|row| row.id.0).collect()
}

#[tokio::test]
async fn a_user_takes_all_tokens_along() {
    let (_folder, store) = open();
    let name = UserName::new("ann");
    let user =
        User { name: name.clone(), access: Access::Write, groups: vec!["qa".to_owned()], created: NOW };
    store.write(Write::PutUser(user.clone())).await.unwrap();
    store.write(Write::AddToken(token("t1", TokenKind::Personal, &name))).await.unwrap();
    assert_eq!(store.user(&name).await.unwrap(), Some(user));
    assert_eq!(store.tokens(&name).await.unwrap().len(), 1);
    store.write(Write::RemoveUser(name.clone())).await.unwrap();
    assert_eq!(store.user(&name).await.unwrap(), None);
    assert_eq!(store.token(&hash_token("t1")).await.unwrap(), None);
}

#[tokio::test]
async fn the_tokens_of_a_job_end_with_it() {
    let (_folder, store) = open();
    let name = UserName::new("ann");
    let (run, instance) = (RunId(7), InstanceId::new(JobId::new("build"), 2));
    let job = TokenKind::Job { run, instance: instance.clone(), attempt: 1 };
    let other = TokenKind::Registry { run, instance: InstanceId::new(JobId::new("test"), 0), attempt: 1 };
    store.write(Write::AddToken(token("a", job.clone(), &name))).await.unwrap();
    store.write(Write::AddToken(token("b", other, &name))).await.unwrap();
    assert_eq!(store.token(&hash_token("a")).await.unwrap().unwrap().kind, job);
    store.write(Write::RemoveJobTokens { run, instance }).await.unwrap();
    assert_eq!(store.token(&hash_token("a")).await.unwrap(), None);
    assert!(store.token(&hash_token("b")).await.unwrap().is_some());
}

#[tokio::test]
async fn no_token_is_kept_as_it_is() {
    let (folder, store) = open();
    let name = UserName::new("ann");
    store.write(Write::AddToken(token("a-very-secret-token", TokenKind::Personal, &name))).await.unwrap();
    drop(store);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("a-very-secret-token"));
    }
}

#[tokio::test]
async fn refs_and_pushed_images_are_kept() {
    let (_folder, store) = open();
    let repository: sluice_model::RepositoryName = "acme/shop".parse().unwrap();
    let see = |sha: &str| Write::SeeRef {
        repository: repository.clone(),
        name: "refs/heads/master".to_owned(),
        sha: sha.repeat(40).parse().unwrap(),
    };
    store.write(see("a")).await.unwrap();
    store.write(see("b")).await.unwrap();
    assert_eq!(store.refs_seen(&repository).await.unwrap()[0].sha.as_str(), "b".repeat(40));
    let forget = Write::ForgetRef { repository: repository.clone(), name: "refs/heads/master".to_owned() };
    store.write(forget).await.unwrap();
    assert!(store.refs_seen(&repository).await.unwrap().is_empty());

    let image = PushedImage {
        run: RunId(1),
        instance: InstanceId::new(JobId::new("push"), 0),
        attempt: 1,
        image: "shop/api".to_owned(),
        reference: "v1".to_owned(),
        digest: format!("sha256:{}", "c".repeat(64)).parse().unwrap(),
        at: Timestamp(5),
    };
    store.write(Write::RecordPush(image.clone())).await.unwrap();
    assert_eq!(store.pushed_images(RunId(1)).await.unwrap(), [image]);
    assert!(store.pushed_images(RunId(2)).await.unwrap().is_empty());
}

fn token(text: &str, kind: TokenKind, owner: &UserName) -> Token {
    Token {
        hash: hash_token(text),
        kind,
        owner: owner.clone(),
        label: "test".to_owned(),
        created: NOW,
        expires: None,
    }
}

#[tokio::test]
async fn an_image_is_the_first_ones_until_it_is_let_go() {
    let (_folder, store) = open();
    let claim = |repository: &str, images: &[&str]| Write::ClaimImages {
        repository: repository.parse().unwrap(),
        images: images.iter().map(|image| (*image).to_owned()).collect(),
    };
    store.write(claim("acme/shop", &["shop/app", "shop/api"])).await.unwrap();
    store.write(claim("evil/shop", &["shop/app", "shop/web"])).await.unwrap();
    let owner = async |image: &str| store.image_owner(image).await.unwrap().map(|name| name.to_string());
    assert_eq!(owner("shop/app").await.as_deref(), Some("acme/shop"));
    assert_eq!(owner("shop/web").await.as_deref(), Some("evil/shop"));
    assert_eq!(owner("shop/none").await, None);
    store.write(claim("acme/shop", &["shop/api"])).await.unwrap();
    assert_eq!(owner("shop/app").await, None);
    assert_eq!(owner("shop/api").await.as_deref(), Some("acme/shop"));
}

#[tokio::test]
async fn the_tokens_of_all_jobs_go_at_once_and_those_of_people_stay() {
    let (_folder, store) = open();
    let job = TokenKind::Job { run: RunId(1), instance: InstanceId::new(JobId::new("a"), 0), attempt: 1 };
    for (hash, kind) in [("person", TokenKind::Personal), ("job", job)] {
        let (owner, label) = (UserName::new("ann"), String::new());
        let token = Token { hash: hash.to_owned(), kind, owner, label, created: NOW, expires: None };
        store.write(Write::AddToken(token)).await.unwrap();
    }
    store.write(Write::RemoveAllJobTokens).await.unwrap();
    assert!(store.token("person").await.unwrap().is_some());
    assert!(store.token("job").await.unwrap().is_none());
}
