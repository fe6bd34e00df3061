//! A subject that was just started.

use super::Play;

impl Play {
    /// The subject was started (again), and may need its time until it listens.
    pub(super) fn starting(&mut self) {
        self.reached = false;
        self.saw_the_end = false;
        self.ending = false;
        self.patience = self.now + self.script.time("start");
    }
}
