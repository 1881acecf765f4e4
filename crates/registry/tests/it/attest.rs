//! Statements about images: attached beside them, found again over the network, and trusted only when a known key has
//! signed them.

use sluice_model::Digest;
use sluice_registry::attest::{
    CYCLONEDX, PROVENANCE, PublicKey, SigningKey, Statement, VerifyError, seal, verify,
};
use sluice_registry::garbage::Keeping;
use sluice_registry::image::{self, Content, Location, PackOptions};
use sluice_registry::{ImageRepository, Pusher};

use crate::support::{TestRegistry, sha256};

fn key() -> SigningKey {
    SigningKey::from_pem(&SigningKey::generate_pem().unwrap()).unwrap()
}

fn location(test: &TestRegistry, image: &str) -> Location {
    format!("{}/{image}", test.host).parse().unwrap()
}

/// Provenance that names `commit`, sealed.
fn provenance(image: &str, digest: &Digest, commit: &str, key: &SigningKey) -> Vec<u8> {
    let predicate = serde_json::json!({
        "buildDefinition": {
            "buildType": "urn:test",
            "externalParameters": { "repository": "acme/shop" },
            "resolvedDependencies": [{ "uri": "git+x", "digest": { "gitCommit": commit } }],
        },
        "runDetails": { "builder": { "id": "test" }, "metadata": { "invocationId": "1" } },
    });
    seal(&serde_json::to_vec(&Statement::new(image, digest, PROVENANCE, predicate)).unwrap(), key).unwrap()
}

async fn attach(test: &TestRegistry, digest: &Digest, bundle: Vec<u8>) -> bool {
    let by = Pusher::new("test");
    let repository: ImageRepository = "a".parse().unwrap();
    let created = "2026-01-01T00:00:00Z";
    test.registry.attach(&repository, digest, bundle, PROVENANCE, created, by).await.unwrap().is_new
}

#[tokio::test]
async fn what_a_known_key_has_signed_is_verified_and_nothing_else() {
    let test = TestRegistry::open().await;
    let text = test.push("a", "v1", b"layer").await;
    let (digest, image) = (sha256(text.as_bytes()), location(&test, "a:v1"));
    let (own, other) = (key(), key());
    let check = |keys: Vec<PublicKey>| {
        let image = image.clone();
        async move { verify(&image, &keys).await }
    };
    assert!(matches!(check(vec![own.public()]).await, Err(VerifyError::Nothing { .. })));

    // Somebody else's word, and a true word about another image, are no proof.
    attach(&test, &digest, provenance("a", &digest, "theirs", &other)).await;
    attach(&test, &digest, provenance("a", &sha256(b"another"), "another", &own)).await;
    let refusal = check(vec![own.public()]).await.unwrap_err();
    let VerifyError::Untrusted { reasons, .. } = &refusal else { panic!("{refusal}") };
    assert_eq!(reasons.len(), 2);
    let said = refusal.to_string();
    assert!(said.contains("no signature on it is by a trusted key"), "{said}");
    assert!(said.contains("about another image"), "{said}");

    let bundle = provenance("a", &digest, "ours", &own);
    assert!(attach(&test, &digest, bundle.clone()).await);
    assert!(!attach(&test, &digest, bundle).await, "the same statement was attached twice");
    let verified = check(vec![other.public(), own.public()]).await.unwrap();
    assert_eq!((verified.digest.clone(), verified.attestations.len()), (digest.clone(), 2));
    let verified = check(vec![own.public()]).await.unwrap();
    let commit = &verified.provenance.build_definition.resolved_dependencies[0].digest["gitCommit"];
    assert_eq!((commit.as_str(), verified.attestations.len()), ("ours", 1));

    // An overview counts what a trusted key has signed, and no more.
    let repository: ImageRepository = "a".parse().unwrap();
    let overview = |keys: Vec<PublicKey>| async {
        let keys = keys;
        test.registry.overview(&repository, 10, &keys).await.unwrap()
    };
    let seen = overview(vec![own.public()]).await;
    assert_eq!((seen.tags.len(), seen.more, seen.tags[0].layers.len()), (1, 0, 1));
    assert!(seen.tags[0].has_provenance() && !seen.tags[0].has_bill_of_materials());
    assert_eq!(seen.tags[0].size_bytes, 7);
    assert!(!overview(vec![key().public()]).await.tags[0].has_provenance());
    assert_eq!(seen.own_bytes, seen.size_bytes);
    test.push("b", "v1", b"layer").await;
    let shared = overview(vec![]).await;
    assert!(shared.own_bytes < shared.size_bytes && shared.size_bytes == seen.size_bytes);

    // It lies where others look for it, and goes when its image goes.
    let listed = test.get(&format!("/v2/a/referrers/{digest}")).await.json();
    let listed = listed["manifests"].as_array().unwrap();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0]["artifactType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    assert_eq!(listed[0]["annotations"]["dev.sigstore.bundle.predicateType"], PROVENANCE);
    test.age();
    let repository = "a".parse().unwrap();
    assert!(test.registry.collect(&repository, &Keeping::default()).await.unwrap().is_empty());
    test.delete("/v2/a/manifests/v1").await;
    test.age();
    let gone = test.registry.collect(&repository, &Keeping::default()).await.unwrap();
    assert_eq!(gone.manifests.len(), 4);
}

#[tokio::test]
async fn a_bill_of_materials_lists_what_the_layers_install() {
    let test = TestRegistry::open().await;
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("etc/os-release", "NAME=Debian\nID=debian\n");
    write(
        "var/lib/dpkg/status",
        "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nArchitecture: amd64\n",
    );
    write("app/node_modules/@acme/ui/package.json", r#"{"name":"@acme/ui","version":"1.2.3"}"#);
    let contents = vec![Content { from: folder.path().to_owned(), to: "/".to_owned() }];
    let packed = image::pack(&PackOptions::new(contents), &location(&test, "a:v1")).await.unwrap();
    let repository: ImageRepository = "a".parse().unwrap();
    let bill =
        || async { test.registry.bill_of_materials(&repository, &packed.digest).await.unwrap().unwrap() };
    let bom = bill().await;
    assert_eq!(bom, bill().await);
    let purls: Vec<&str> = bom.components.iter().map(|component| component.purl.as_str()).collect();
    assert_eq!(purls, ["pkg:deb/debian/libc6@2.36-9?arch=amd64", "pkg:npm/%40acme/ui@1.2.3", ""]);
    assert_eq!(bom.metadata.component.version, packed.digest.to_string());
    let text = serde_json::to_value(&bom).unwrap();
    assert_eq!((&text["bomFormat"], &text["specVersion"]), (&"CycloneDX".into(), &"1.6".into()));
    // As it is signed, it reads back.
    let own = key();
    let statement = Statement::new("a", &packed.digest, CYCLONEDX, &bom);
    let sealed = seal(&serde_json::to_vec(&statement).unwrap(), &own).unwrap();
    attach(&test, &packed.digest, sealed).await;
    attach(&test, &packed.digest, provenance("a", &packed.digest, "c", &own)).await;
    let verified = verify(&location(&test, "a:v1"), &[own.public()]).await.unwrap();
    let found = verified.attestations.iter().find(|one| one.predicate_type == CYCLONEDX).unwrap();
    let read: Statement<sluice_registry::attest::sbom::Bom> =
        serde_json::from_slice(&found.statement).unwrap();
    assert_eq!(read.predicate, bom);
}
