//! How the subject is started.

use std::sync::Arc;

use super::{Play, Script, Stage};
use crate::actor::{Act, Given};
use crate::scenario::Launch;

/// What starts the subject of a script, and nothing else of it.
///
/// # Errors
/// A place holder of its command that has no value here.
pub(crate) fn starting_acts(script: &Arc<Script>, given: &Given) -> Result<Vec<Act>, String> {
    let mut play = Play::new(script.clone());
    play.begin(given);
    Stage::new(&mut play, 0, None, None).start(&Launch::default(), false)?;
    Ok(play.out.into_iter().map(|doing| doing.act).collect())
}

impl Play {
    /// The subject was started (again), and may need its time until it listens.
    pub(super) fn starting(&mut self) {
        self.reached = false;
        self.saw_the_end = false;
        self.ending = false;
        self.patience = self.now + self.script.time("start");
    }
}
