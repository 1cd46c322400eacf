//! What nodes are called, by their lives.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use skep_core::id::{Life, NodeName};

use crate::limits::{Limit, Reached};

/// So many lives are remembered, far more than members; the earliest that are not ours give way. Every link brings one.
const MAX: usize = 1 << 14;

/// All that this node has heard of.
pub(super) struct Names {
    ours: NodeName,
    by_life: RwLock<BTreeMap<Life, NodeName>>,
    reached: Arc<Reached>,
}

impl Names {
    pub(super) fn new(life: Life, ours: NodeName, reached: Arc<Reached>) -> Self {
        Self { by_life: RwLock::new(BTreeMap::from([(life, ours.clone())])), ours, reached }
    }

    /// A peer introduced itself. What is known counts: of two that drew one life, one takes another.
    pub(super) fn learn(&self, life: Life, node: &NodeName) {
        if self.get(life).is_none() {
            self.insert(life, node);
        }
    }

    /// A member is called so, whoever was heard of under its life before: we ourselves, perhaps.
    pub(super) fn know(&self, life: Life, node: &NodeName) {
        if self.get(life).as_ref() != Some(node) {
            self.insert(life, node);
        }
    }

    fn insert(&self, life: Life, node: &NodeName) {
        let mut by_life = self.by_life.write().unwrap_or_else(PoisonError::into_inner); // each use is one step
        by_life.insert(life, node.clone());
        if by_life.len() > MAX {
            let earliest = by_life.iter().find(|(_, node)| **node != self.ours).map(|(life, _)| *life);
            earliest.and_then(|life| by_life.remove(&life));
            self.reached.count(Limit::Lives);
        }
    }

    pub(super) fn get(&self, life: Life) -> Option<NodeName> {
        self.by_life.read().unwrap_or_else(PoisonError::into_inner).get(&life).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_called_by_its_name_though_its_life_was_ours_or_somebody_elses() {
        let node = |text: &str| NodeName::new(text).expect("a good name");
        let names = Names::new(Life(1), node("ours"), Arc::default());
        names.learn(Life(1), &node("theirs"));
        assert_eq!(names.get(Life(1)), Some(node("ours")), "it has only shaken hands");
        names.know(Life(1), &node("theirs"));
        assert_eq!(names.get(Life(1)), Some(node("theirs")));
    }

    #[test]
    fn no_number_of_lives_fills_the_memory_or_displaces_ours() {
        let node = |text: &str| NodeName::new(text).expect("a good name");
        let names = Names::new(Life(1), node("ours"), Arc::default());
        for life in 2..MAX as u64 + 12 {
            names.learn(Life(life), &node("theirs"));
        }
        assert_eq!(names.by_life.read().expect("nobody panicked").len(), MAX);
        assert_eq!(names.get(Life(1)), Some(node("ours")));
        assert_eq!([Life(2), Life(12)].map(|life| names.get(life)), [None, None], "the earliest gave way");
        assert_eq!(names.get(Life(13)), Some(node("theirs")));
        assert_eq!(names.reached.times(Limit::Lives), 11);
    }
}
