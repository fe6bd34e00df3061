//! Checks that keep lanes apart.

use std::collections::BTreeMap;

use super::Watch;
use crate::actor::Nanos;
use crate::datum::{Bindings, View};

/// A check that begins anew on each lane: every connection has ids, or a launch, of its own.
pub(super) struct OnEachLane<W> {
    fresh: W,
    lanes: BTreeMap<usize, W>,
    now: Nanos,
}

impl<W: Watch + Clone> OnEachLane<W> {
    /// Begins each lane with a copy of this.
    pub(super) fn new(fresh: W) -> Self {
        Self { fresh, lanes: BTreeMap::new(), now: 0 }
    }
}

impl<W: Watch + Clone> Watch for OnEachLane<W> {
    fn see(&mut self, view: View<'_>, bindings: &Bindings) -> Result<(), String> {
        self.see_on(0, view, bindings)
    }

    fn turn_to(&mut self, at: Nanos) {
        self.now = at;
    }

    fn see_on(&mut self, lane: usize, view: View<'_>, bindings: &Bindings) -> Result<(), String> {
        let watch = self.lanes.entry(lane).or_insert_with(|| self.fresh.clone());
        watch.turn_to(self.now);
        watch.see(view, bindings)
    }

    fn speaks(&self) -> bool {
        self.fresh.speaks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::{Datum, Kind};

    /// What it saw and when, told at the second message.
    #[derive(Clone, Default)]
    struct Second(usize, Nanos);

    impl Watch for Second {
        fn see(&mut self, _: View<'_>, _: &Bindings) -> Result<(), String> {
            self.0 += 1;
            if self.0 == 2 { Err(format!("at {}", self.1)) } else { Ok(()) }
        }

        fn turn_to(&mut self, at: Nanos) {
            self.1 = at;
        }

        fn speaks(&self) -> bool {
            true
        }
    }

    #[test]
    fn each_lane_has_its_own_and_all_have_the_time() {
        let mut watch = OnEachLane::new(Second::default());
        let (datum, bindings) = (Datum::Null, Bindings::default());
        let mut see = |lane, at| {
            watch.turn_to(at);
            watch.see_on(lane, View { kind: Kind::Message, datum: Some(&datum) }, &bindings)
        };
        assert_eq!([see(0, 1), see(1, 2), see(2, 3)], [Ok(()), Ok(()), Ok(())]);
        assert_eq!([see(1, 4), see(0, 5)], [Err("at 4".into()), Err("at 5".into())]);
        assert!(watch.speaks());
    }
}
