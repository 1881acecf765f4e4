use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use sluice_model::{Digest, Timestamp};

use super::retention::{RetentionRule, expired};
use super::{Inventory, ManifestEntry};
use crate::{Tag, TagPattern};

/// What stays in one repository beside what is tagged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keeping {
    /// Manifests that stay with their tags, and for whom: what was released, what a run under way has pushed.
    pub manifests: BTreeMap<Digest, String>,
    pub retention: Vec<RetentionRule>,
    /// Tags that never go.
    pub immutable: Vec<TagPattern>,
    /// Of a mirror: what no client has asked for in so many days goes, whether or not it is tagged.
    pub unused_days: Option<u32>,
}

/// What goes, in the order in which it has to: tags, then each manifest before those that it names, then blobs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Garbage {
    pub tags: Vec<Gone<Tag>>,
    pub manifests: Vec<Gone<Digest>>,
    pub blobs: Vec<Gone<Digest>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone<T> {
    pub what: T,
    /// Nothing for a tag. Another repository may hold the same bytes.
    pub size_bytes: u64,
    pub why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A retention rule lets the tag go.
    Expired { rule: RetentionRule, age_days: i64 },
    /// No tag, index, subject or release holds the manifest.
    Unreferenced,
    /// No client has asked for this part of a mirror in so many days.
    Unused { days: u32 },
    /// The manifest is about one that goes, or is not there.
    SubjectGone(Digest),
    /// No manifest that stays names the blob.
    Unnamed,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { rule, age_days } => {
                write!(f, "retention of `{}`", rule.tags)?;
                if let Some(keep) = rule.keep {
                    write!(f, ", not among the newest {keep}")?;
                }
                if let Some(days) = rule.days {
                    write!(f, ", set {age_days} days ago and kept for {days}")?;
                }
                Ok(())
            }
            Self::Unreferenced => f.write_str("no tag, index or release refers to it"),
            Self::SubjectGone(subject) => write!(f, "it is about {subject}, which is not kept"),
            Self::Unused { days: 0 } => {
                f.write_str("not asked for in the last hour, and the space is needed")
            }
            Self::Unused { days } => write!(f, "not asked for in {days} days"),
            Self::Unnamed => f.write_str("no manifest that is kept names it"),
        }
    }
}

impl Garbage {
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.manifests.is_empty() && self.blobs.is_empty()
    }

    pub fn size_bytes(&self) -> u64 {
        self.manifests.iter().chain(&self.blobs).map(|gone| gone.size_bytes).sum()
    }
}

/// Whatever is younger may belong to a push under way, whose manifest or tag comes last.
const GRACE_MS: i64 = 3600 * 1000;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// Says what of a repository goes.
///
/// A manifest stays when it is tagged, kept by name, or young; when an index that stays names it; and when it is about
/// a manifest that stays. A blob stays when a manifest that stays names it, or when it is young.
pub fn decide(inventory: &Inventory, keeping: &Keeping, now: Timestamp) -> Garbage {
    let unused_ms = keeping.unused_days.map_or(0, |days| i64::from(days).saturating_mul(DAY_MS));
    let is_young = |at: Timestamp| now.since_ms(at) < unused_ms.max(GRACE_MS);
    let mut tags: Vec<Gone<Tag>> = expired(inventory, &keeping.retention, now)
        .into_iter()
        .filter_map(|(tag, rule)| {
            let entry = inventory.tags.get(&tag)?;
            let is_held = is_young(entry.set)
                || keeping.manifests.contains_key(&entry.digest)
                || keeping.immutable.iter().any(|pattern| pattern.matches(&tag));
            let why =
                Why::Expired { rule: rule.clone(), age_days: now.since_ms(entry.set) / (24 * GRACE_MS) };
            (!is_held).then_some(Gone { what: tag, size_bytes: 0, why })
        })
        .collect();

    if let Some(days) = keeping.unused_days {
        let is_used = |digest| inventory.manifests.get(digest).is_some_and(|entry| is_young(entry.pushed));
        let unused =
            inventory.tags.iter().filter(|(_, entry)| !is_used(&entry.digest) && !is_young(entry.set));
        tags.extend(unused.map(|(tag, _)| Gone {
            what: tag.clone(),
            size_bytes: 0,
            why: Why::Unused { days },
        }));
    }

    let expired: BTreeSet<&Tag> = tags.iter().map(|gone| &gone.what).collect();
    let tagged =
        inventory.tags.iter().filter(|(tag, _)| !expired.contains(tag)).map(|(_, entry)| &entry.digest);
    let young =
        inventory.manifests.iter().filter(|(_, entry)| is_young(entry.pushed)).map(|(digest, _)| digest);
    let live = reach(inventory, tagged.chain(keeping.manifests.keys()).chain(young));

    let dead: BTreeMap<&Digest, &ManifestEntry> =
        inventory.manifests.iter().filter(|(digest, _)| !live.contains(digest)).collect();
    let unused = keeping.unused_days.map(|days| Why::Unused { days });
    let manifests = parents_first(&dead).into_iter().map(|(digest, entry)| {
        let why = match (&unused, &entry.subject) {
            (Some(unused), _) => unused.clone(),
            (None, Some(subject)) => Why::SubjectGone(subject.clone()),
            (None, None) => Why::Unreferenced,
        };
        Gone { what: digest.clone(), size_bytes: entry.size_bytes, why }
    });

    let live_manifests = live.iter().filter_map(|digest| inventory.manifests.get(*digest));
    let named: BTreeSet<&Digest> = live_manifests.flat_map(|entry| &entry.names).collect();
    let unnamed =
        inventory.blobs.iter().filter(|(digest, blob)| !named.contains(digest) && !is_young(blob.wanted));
    let blobs = unnamed.map(|(digest, blob)| Gone {
        what: digest.clone(),
        size_bytes: blob.size_bytes,
        why: Why::Unnamed,
    });
    Garbage { manifests: manifests.collect(), blobs: blobs.collect(), tags }
}

/// The manifests that are there of `roots`, of what they name, and of what is about any of these.
fn reach<'i>(inventory: &'i Inventory, roots: impl Iterator<Item = &'i Digest>) -> BTreeSet<&'i Digest> {
    let mut about: BTreeMap<&Digest, Vec<&Digest>> = BTreeMap::new();
    for (digest, entry) in &inventory.manifests {
        if let Some(subject) = &entry.subject {
            about.entry(subject).or_default().push(digest);
        }
    }
    let mut live = BTreeSet::new();
    let mut open: Vec<&Digest> = roots.collect();
    while let Some(digest) = open.pop() {
        let Some(entry) = inventory.manifests.get(digest) else { continue };
        if live.insert(digest) {
            open.extend(&entry.names);
            open.extend(about.get(digest).into_iter().flatten());
        }
    }
    live
}

/// Each manifest before those that it names, so that a removal that breaks off leaves none that lacks another.
fn parents_first<'i>(dead: &BTreeMap<&'i Digest, &'i ManifestEntry>) -> Vec<(&'i Digest, &'i ManifestEntry)> {
    let named = || dead.values().flat_map(|entry| &entry.names).filter(|digest| dead.contains_key(digest));
    let mut parents: BTreeMap<&Digest, usize> = BTreeMap::new();
    for digest in named() {
        *parents.entry(digest).or_default() += 1;
    }
    let mut free: VecDeque<&Digest> =
        dead.keys().copied().filter(|digest| !parents.contains_key(digest)).collect();
    let mut ordered = Vec::new();
    while let Some(digest) = free.pop_front() {
        let Some((digest, entry)) = dead.get_key_value(digest) else { continue };
        ordered.push((*digest, *entry));
        for child in &entry.names {
            if let Some(left) = parents.get_mut(child) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    free.push_back(child);
                }
            }
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::super::{BlobEntry, TagEntry};
    use super::*;

    const HOUR: i64 = 3600 * 1000;
    const NOW: Timestamp = Timestamp(1_000 * 24 * HOUR);

    fn digest(name: &str) -> Digest {
        sluice_blobs::digest_of(sluice_blobs::Algorithm::Sha256, name.as_bytes())
    }

    /// An inventory in which everything is `age` hours old.
    #[derive(Default)]
    struct Told(Inventory);

    impl Told {
        fn tag(mut self, tag: &str, of: &str, age_hours: i64) -> Self {
            let entry = TagEntry { digest: digest(of), set: NOW.plus_ms(-age_hours * HOUR) };
            self.0.tags.insert(tag.parse().unwrap(), entry);
            self
        }
        fn manifest(mut self, name: &str, names: &[&str], subject: Option<&str>, age_hours: i64) -> Self {
            let entry = ManifestEntry {
                size_bytes: 10,
                subject: subject.map(digest),
                names: names.iter().map(|name| digest(name)).collect(),
                pushed: NOW.plus_ms(-age_hours * HOUR),
            };
            self.0.manifests.insert(digest(name), entry);
            self
        }
        fn blob(mut self, name: &str, age_hours: i64) -> Self {
            let entry = BlobEntry { size_bytes: 100, wanted: NOW.plus_ms(-age_hours * HOUR) };
            self.0.blobs.insert(digest(name), entry);
            self
        }
        fn goes(&self, keeping: &Keeping) -> (Vec<String>, Vec<Digest>, Vec<Digest>) {
            let garbage = decide(&self.0, keeping, NOW);
            let tags = garbage.tags.iter().map(|gone| gone.what.to_string()).collect();
            let digests = |list: &[Gone<Digest>]| list.iter().map(|gone| gone.what.clone()).collect();
            (tags, digests(&garbage.manifests), digests(&garbage.blobs))
        }
    }

    fn rule(tags: &str, keep: Option<u32>, days: Option<u32>) -> Keeping {
        let retention = vec![RetentionRule { tags: tags.parse().unwrap(), keep, days }];
        Keeping { retention, ..Keeping::default() }
    }

    #[test]
    fn what_is_tagged_or_named_stays_and_the_rest_goes() {
        let told = Told::default()
            .tag("v1", "index", 99)
            .manifest("index", &["amd64"], None, 99)
            .manifest("amd64", &["config", "layer"], None, 99)
            .manifest("before", &["config", "old layer"], None, 99)
            .blob("config", 99)
            .blob("layer", 99)
            .blob("old layer", 99);
        let gone = told.goes(&Keeping::default());
        assert_eq!(gone, (vec![], vec![digest("before")], vec![digest("old layer")]));
        let garbage = decide(&told.0, &Keeping::default(), NOW);
        assert_eq!(garbage.size_bytes(), 110);
        assert_eq!(garbage.manifests[0].why, Why::Unreferenced);
    }

    #[test]
    fn what_the_server_keeps_stays_with_all_that_it_names() {
        let told = Told::default()
            .manifest("index", &["amd64"], None, 99)
            .manifest("amd64", &["layer"], None, 99)
            .manifest("sbom", &["list"], Some("amd64"), 99)
            .blob("layer", 99)
            .blob("list", 99);
        let kept = BTreeMap::from([(digest("index"), "release version1".to_owned())]);
        let keeping = Keeping { manifests: kept, ..Keeping::default() };
        assert_eq!(told.goes(&keeping), (vec![], vec![], vec![]));
        let (_, manifests, blobs) = told.goes(&Keeping::default());
        assert_eq!((manifests.len(), blobs.len()), (3, 2));
    }

    #[test]
    fn a_referrer_goes_with_its_subject_and_not_before() {
        let told = Told::default()
            .tag("v1", "kept", 99)
            .manifest("kept", &[], None, 99)
            .manifest("of kept", &["a"], Some("kept"), 99)
            .manifest("of of kept", &[], Some("of kept"), 99)
            .manifest("dropped", &[], None, 99)
            .manifest("of dropped", &["b"], Some("dropped"), 99)
            .manifest("of nothing", &[], Some("never pushed"), 99)
            .blob("a", 99)
            .blob("b", 99);
        let garbage = decide(&told.0, &Keeping::default(), NOW);
        let gone: BTreeSet<Digest> = garbage.manifests.iter().map(|gone| gone.what.clone()).collect();
        assert_eq!(gone, ["dropped", "of dropped", "of nothing"].map(digest).into());
        let of_dropped = garbage.manifests.iter().find(|gone| gone.what == digest("of dropped")).unwrap();
        assert_eq!(of_dropped.why, Why::SubjectGone(digest("dropped")));
        assert_eq!(garbage.blobs.iter().map(|gone| &gone.what).collect::<Vec<_>>(), [&digest("b")]);
    }

    #[test]
    fn what_is_younger_than_an_hour_stays() {
        let told =
            Told::default().manifest("new", &["layer"], None, 0).blob("layer", 99).blob("pushed now", 0);
        assert_eq!(told.goes(&Keeping::default()), (vec![], vec![], vec![]));
        // A clock that went back makes nothing old.
        let ahead = Told::default().manifest("ahead", &[], None, -5).blob("ahead", -5);
        assert_eq!(ahead.goes(&Keeping::default()), (vec![], vec![], vec![]));
    }

    #[test]
    fn an_index_goes_before_what_it_names() {
        // Named so that the order of digests alone would not do.
        for n in 0..20 {
            let names = [format!("outer{n}"), format!("inner{n}"), format!("image{n}")];
            let told = Told::default()
                .manifest(&names[0], &[&names[1]], None, 9)
                .manifest(&names[1], &[&names[2]], None, 9)
                .manifest(&names[2], &[], None, 9);
            let (_, manifests, _) = told.goes(&Keeping::default());
            assert_eq!(manifests, names.map(|name| digest(&name)));
        }
    }

    #[test]
    fn retention_counts_from_the_newest_and_by_age() {
        let mut told = Told::default().tag("other", "m", 24 * 90);
        for n in 1..=5 {
            told = told.tag(&format!("build-{n}"), "m", 24 * 10 * n);
        }
        let tags = |keeping: &Keeping| told.goes(keeping).0;
        assert_eq!(tags(&rule("build-*", Some(2), None)), ["build-3", "build-4", "build-5"]);
        assert_eq!(tags(&rule("build-*", None, Some(40))), ["build-4", "build-5"]);
        assert_eq!(tags(&rule("build-*", Some(4), Some(20))), ["build-5"]);
        assert_eq!(tags(&rule("build-*", Some(0), Some(0))).len(), 5);
        assert_eq!(tags(&rule("build-*", None, None)), Vec::<String>::new());
        // The first rule that matches decides.
        let mut both = rule("build-5", Some(1), None);
        both.retention.extend(rule("*", Some(0), None).retention);
        assert_eq!(tags(&both), ["build-1", "build-2", "build-3", "build-4", "other"]);
    }

    #[test]
    fn no_rule_takes_what_was_released_what_is_immutable_or_new() {
        let told = Told::default()
            .tag("build-1", "released", 99)
            .manifest("released", &[], None, 99)
            .tag("build-2", "old", 99)
            .manifest("old", &[], None, 99)
            .tag("build-3", "old", 0);
        let mut keeping = rule("*", Some(0), None);
        keeping.manifests.insert(digest("released"), "release version1".to_owned());
        assert_eq!(told.goes(&keeping), (vec!["build-2".to_owned()], vec![], vec![]));
        keeping.immutable.push("build-*".parse().unwrap());
        assert!(told.goes(&keeping).0.is_empty());
    }
}
