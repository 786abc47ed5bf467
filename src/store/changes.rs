//! What has changed, for whoever watches: which rows, not what is in them. Nothing is remembered while nobody watches,
//! and never more than a bounded number of changes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Something that is not as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// A campaign's settings or status; or it is new, or gone.
    Campaign(i64),
    /// The sums of a campaign.
    Stats(i64),
    /// More leads of a campaign than are named one by one.
    Leads(i64),
    /// A lead.
    Lead(i64),
    /// A call.
    Call(i64),
    /// An import: how far it is, and how it ended.
    Import(i64),
    /// A delivery of an event.
    Delivery(i64),
}

/// Changes that may wait to be looked at; beyond them it is only known that much has changed.
const WAITING_MAX: usize = 5_000;

/// What changed since it was last asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// These and nothing else.
    These(BTreeSet<Change>),
    /// So much that everything must be read again.
    TooMuch,
}

/// Remembers changes until somebody takes them.
#[derive(Default)]
pub(super) struct Changes {
    is_watched: AtomicBool,
    waiting: Mutex<BTreeSet<Change>>,
    more: Notify,
}

impl Changes {
    fn waiting(&self) -> MutexGuard<'_, BTreeSet<Change>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on remembers, or does not.
    pub(super) fn watch(&self, is_watched: bool) {
        self.is_watched.store(is_watched, Ordering::SeqCst);
        if !is_watched {
            self.waiting().clear();
        }
    }

    /// After a commit.
    pub(super) fn add(&self, changes: impl IntoIterator<Item = Change>) {
        if !self.is_watched.load(Ordering::SeqCst) {
            return;
        }
        let mut waiting = self.waiting();
        let before = waiting.len();
        // One more than fits tells that it was too much.
        waiting.extend(changes.into_iter().take(WAITING_MAX + 1));
        if waiting.len() > before {
            self.more.notify_one();
        }
    }

    /// Ends when there is something to take. Only one may wait.
    pub(super) async fn changed(&self) {
        while self.waiting().is_empty() {
            self.more.notified().await;
        }
    }

    /// Takes what has changed.
    pub(super) fn take(&self) -> Changed {
        match std::mem::take(&mut *self.waiting()) {
            changes if changes.len() > WAITING_MAX => Changed::TooMuch,
            changes => Changed::These(changes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_remembered_while_nobody_watches_and_never_too_much() {
        let changes = Changes::default();
        changes.add([Change::Lead(1)]);
        assert_eq!(changes.take(), Changed::These(BTreeSet::new()));
        changes.watch(true);
        changes.add([Change::Lead(2), Change::Stats(1), Change::Lead(2)]);
        assert_eq!(changes.take(), Changed::These([Change::Stats(1), Change::Lead(2)].into()));
        changes.add((0..1_000_000).map(Change::Lead));
        assert!(changes.waiting().len() <= WAITING_MAX + 1);
        assert_eq!(changes.take(), Changed::TooMuch);
        changes.add([Change::Lead(3)]);
        changes.watch(false);
        assert_eq!(changes.take(), Changed::These(BTreeSet::new()));
    }
}
