use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sluice_registry::media_type;

use crate::support::{Answer, TestRegistry, image, sha256};

fn next(answer: &Answer) -> Option<String> {
    let link = answer.headers.get("link")?.to_str().unwrap();
    let (target, rest) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
    assert_eq!(rest, "; rel=\"next\"");
    Some(target.to_owned())
}

#[tokio::test]
async fn tags_are_listed_in_order_and_in_pages() {
    let test = TestRegistry::open().await;
    let text = test.push("a", "v1", b"layer").await;
    for tag in ["Beta", "alpha", "v2", "_x", "V10"] {
        test.put_manifest("a", tag, &text).await.is(StatusCode::CREATED);
    }
    let all = test.get("/v2/a/tags/list").await;
    assert_eq!(all.json(), json!({ "name": "a", "tags": ["_x", "alpha", "Beta", "v1", "V10", "v2"] }));
    for (query, tags, goes_on) in [
        ("?n=2", json!(["_x", "alpha"]), true),
        ("?n=2&last=alpha", json!(["Beta", "v1"]), true),
        ("?n=2&last=v1", json!(["V10", "v2"]), false),
        ("?last=V10", json!(["v2"]), false),
        ("?last=not-there", json!(["v1", "V10", "v2"]), false),
        ("?n=0", json!([]), false),
        ("?n=100", json!(["_x", "alpha", "Beta", "v1", "V10", "v2"]), false),
        ("?last=zzz", json!([]), false),
    ] {
        let page = test.get(&format!("/v2/a/tags/list{query}")).await;
        assert_eq!(page.json()["tags"], tags, "{query}");
        assert_eq!(next(&page).is_some(), goes_on, "{query}");
    }
    for wrong in ["?n=-1", "?n=x", "?n="] {
        test.get(&format!("/v2/a/tags/list{wrong}")).await.refuses(400, "UNSUPPORTED");
    }
    test.get("/v2/nobody/tags/list").await.refuses(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn ten_thousand_tags_are_all_found() {
    let test = TestRegistry::open().await;
    test.push("many", "v0", b"layer").await;
    // Written as the registry writes them, without ten thousand flushes of the disk.
    let tags = test.folder.path().join("repositories/many/_tags");
    let record = std::fs::read(tags.join("v0")).unwrap();
    for n in 1..10_500 {
        std::fs::write(tags.join(format!("v{n}")), &record).unwrap();
    }
    let first = test.get("/v2/many/tags/list").await;
    assert_eq!(first.json()["tags"].as_array().unwrap().len(), 10_000);
    let (mut found, mut page) = (0, Some("/v2/many/tags/list?n=3000".to_owned()));
    while let Some(path) = page {
        let answer = test.get(&path).await;
        found += answer.is(StatusCode::OK).json()["tags"].as_array().unwrap().len();
        page = next(&answer);
    }
    assert_eq!(found, 10_500);
}

#[tokio::test]
async fn the_catalogue_lists_what_holds_a_manifest() {
    let test = TestRegistry::open().await;
    for name in ["b", "a/b/c", "a"] {
        test.push(name, "v1", b"layer").await;
    }
    test.put_blob("only/blobs", b"bytes").await;
    assert_eq!(test.get("/v2/_catalog").await.json(), json!({ "repositories": ["a", "a/b/c", "b"] }));
    let page = test.get("/v2/_catalog?n=2").await;
    assert_eq!(page.json()["repositories"], json!(["a", "a/b/c"]));
    let rest = test.get(&next(&page).unwrap()).await;
    assert_eq!((rest.json()["repositories"].clone(), next(&rest)), (json!(["b"]), None));
}

fn artifact(subject: &str, kind: &str, note: &str) -> String {
    let config = (sha256(b"{}"), 2);
    let subject = json!({ "mediaType": media_type::OCI_MANIFEST, "digest": sha256(subject.as_bytes()).as_str(),
        "size": subject.len() });
    let mut extra = json!({ "subject": subject, "annotations": { "note": note } });
    if !kind.is_empty() {
        extra["artifactType"] = Value::from(kind);
    }
    image(&[config], &[], extra)
}

#[tokio::test]
async fn referrers_are_listed_filtered_and_forgotten() {
    let test = TestRegistry::open().await;
    test.put_blob("a", b"{}").await;
    // Signed before it is there: a subject may come later.
    let subject = image(&[(sha256(b"{}"), 2)], &[], json!({}));
    let digest = sha256(subject.as_bytes());
    let sbom = artifact(&subject, "application/vnd.example.sbom", "one");
    let put = test.put_manifest("a", "sbom", &sbom).await;
    assert_eq!(put.is(StatusCode::CREATED).header("oci-subject"), digest.as_str());
    let plain = artifact(&subject, "", "two");
    test.put_manifest("a", sha256(plain.as_bytes()).as_str(), &plain).await.is(StatusCode::CREATED);
    test.put_manifest("a", "v1", &subject).await.is(StatusCode::CREATED);

    let path = format!("/v2/a/referrers/{digest}");
    let all = test.get(&path).await;
    assert_eq!(all.header("content-type"), media_type::OCI_INDEX);
    let manifests = all.json()["manifests"].as_array().unwrap().clone();
    let mut kinds: Vec<_> = manifests.iter().map(|one| one["artifactType"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["application/vnd.example.config", "application/vnd.example.sbom"]);
    assert!(manifests.iter().all(|one| one["annotations"]["note"].is_string() && one["size"].is_number()));

    let filtered = test.get(&format!("{path}?artifactType=application/vnd.example.sbom")).await;
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    assert_eq!(filtered.json()["manifests"].as_array().unwrap().len(), 1);
    let none = test.get(&format!("{path}?artifactType=application%2Fother")).await;
    assert_eq!(none.json()["manifests"], json!([]));

    test.delete(&format!("/v2/a/manifests/{}", sha256(sbom.as_bytes()))).await.is(StatusCode::ACCEPTED);
    assert_eq!(test.get(&path).await.json()["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(test.get(&format!("/v2/b/referrers/{digest}")).await.json()["manifests"], json!([]));
    test.get("/v2/a/referrers/latest").await.refuses(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn many_large_referrers_come_in_pages() {
    let test = TestRegistry::open().await;
    test.put_blob("a", b"{}").await;
    let subject = image(&[(sha256(b"{}"), 2)], &[], json!({}));
    for n in 0..5 {
        let note = format!("{n}{}", "x".repeat(900_000));
        let text = artifact(&subject, "application/vnd.example.note", &note);
        test.put_manifest("a", &format!("n{n}"), &text).await.is(StatusCode::CREATED);
    }
    let first =
        format!("/v2/a/referrers/{}?artifactType=application/vnd.example.note", sha256(subject.as_bytes()));
    let (mut found, mut pages, mut page) = (std::collections::BTreeSet::new(), 0, Some(first));
    while let Some(path) = page {
        let answer = test.get(&path).await;
        for one in answer.is(StatusCode::OK).json()["manifests"].as_array().unwrap() {
            found.insert(one["digest"].as_str().unwrap().to_owned());
        }
        pages += 1;
        page = next(&answer);
    }
    assert_eq!((found.len(), pages), (5, 3));
}

#[tokio::test]
async fn a_name_that_climbs_or_is_none_is_refused() {
    let test = TestRegistry::open().await;
    for name in ["A", "a//b", "_tags", "a/_manifests", ".a", "a..b", "%00"] {
        let answer = Answer::of(test.request(Method::GET, &format!("/v2/{name}/tags/list"))).await;
        answer.refuses(400, "NAME_INVALID");
        let upload = Answer::of(test.request(Method::POST, &format!("/v2/{name}/blobs/uploads/"))).await;
        upload.refuses(400, "NAME_INVALID");
    }
    // A client's library would take these out before they are sent.
    for name in ["../../etc", "%2e%2e/etc", "a/../b", "a/%2e%2e/b", "..%2f..%2fetc"] {
        let answer = raw_get(&test.host, &format!("/v2/{name}/tags/list")).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("NAME_INVALID"), "{name}: {answer}");
    }
    let long = "a".repeat(256);
    test.get(&format!("/v2/{long}/tags/list")).await.refuses(400, "NAME_INVALID");
    test.get("/v2/a/nothing").await.refuses(404, "NOT_FOUND");
}

async fn raw_get(host: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut connection = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}
