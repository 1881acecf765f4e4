use std::collections::BTreeSet;

use sluice_model::Timestamp;

use super::Inventory;
use crate::{Tag, TagPattern};

/// How long tags of a pattern are kept. A tag goes when every bound that is given lets it go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionRule {
    pub tags: TagPattern,
    /// So many of the newest are kept, however old.
    pub keep: Option<u32>,
    /// Those that were set within so many days are kept, however many.
    pub days: Option<u32>,
}

const DAY_MS: i64 = 24 * 3600 * 1000;

/// The tags that the rules let go, each with the rule that does. The first rule that matches a tag decides about it.
pub(super) fn expired<'r>(
    inventory: &Inventory,
    rules: &'r [RetentionRule],
    now: Timestamp,
) -> Vec<(Tag, &'r RetentionRule)> {
    let mut decided = BTreeSet::new();
    let mut expired = Vec::new();
    for rule in rules {
        let mut matching: Vec<_> =
            inventory.tags.iter().filter(|(tag, _)| rule.tags.matches(tag) && decided.insert(*tag)).collect();
        matching.sort_by(|(a, first), (b, second)| second.set.cmp(&first.set).then_with(|| a.cmp(b)));
        let newest = rule.keep.map_or(0, |keep| keep as usize);
        let is_old = |set: Timestamp| {
            rule.days.is_none_or(|days| now.since_ms(set) >= i64::from(days).saturating_mul(DAY_MS))
        };
        let bounds_nothing = rule.keep.is_none() && rule.days.is_none();
        let going =
            matching.into_iter().skip(newest).filter(|(_, entry)| !bounds_nothing && is_old(entry.set));
        expired.extend(going.map(|(tag, _)| (tag.clone(), rule)));
    }
    expired
}
