//! What is really built and run.

use super::{Runtime, stream_head};
use crate::actor::{Payload, WireId};
use crate::codec::http1::last_chunk;
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::mocks::dify_sri::deployed::{Deployed, Progress};
use crate::mocks::dify_sri::launch::Stage;
use crate::mocks::dify_sri::web::refusal;

impl Runtime {
    /// The name of the deployment that a wire belongs to.
    pub(super) fn deployed_on(&self, wire: WireId) -> Option<String> {
        let own = self.deployed.iter().find(|(_, deployed)| deployed.has(wire));
        own.map(|(name, _)| name.clone())
    }

    /// A process could not be started.
    pub(super) fn not_started(&mut self, why: &str, out: &mut Acting<'_>) {
        let names: Vec<String> = self.deployed.keys().cloned().collect();
        for name in names {
            let failed = self.deployed.get_mut(&name).and_then(|deployed| deployed.fail(why));
            self.progress(&name, failed.into_iter().collect(), out);
        }
    }

    /// What did not come to life in time fails.
    pub(super) fn give_up(&mut self, out: &mut Acting<'_>) {
        let late = |deployed: &Deployed| deployed.deadline().is_some_and(|at| at <= out.now);
        let late = self.deployed.iter().filter(|(_, deployed)| late(deployed));
        let late: Vec<String> = late.map(|(name, _)| name.clone()).collect();
        for name in late {
            let Some(deployed) = self.deployed.get_mut(&name) else { continue };
            let failed = deployed.fail("no heartbeat came in time");
            deployed.stop(out);
            self.progress(&name, failed.into_iter().collect(), out);
        }
    }

    pub(super) fn progress(&mut self, name: &str, progress: Vec<Progress>, out: &mut Acting<'_>) {
        for progress in progress {
            let lines = match progress {
                Progress::Lines(wire, lines, is_last) => {
                    let chunk = crate::codec::http1::chunk(Payload::from(lines), &|_| None);
                    out.write(wire, chunk.unwrap_or_default());
                    if is_last {
                        out.write(wire, last_chunk(&[]));
                    }
                    continue;
                }
                other => other,
            };
            let Some(launch) = self.launches.iter_mut().find(|launch| launch.name == name) else { continue };
            let told = launch.waits.clone().unwrap_or_default();
            let stages: &[Stage] = &match lines {
                Progress::Built => {
                    vec![
                        Stage("build", "success", "resolved".into()),
                        Stage("run", "running", "starting".into()),
                    ]
                }
                Progress::Up => {
                    vec![Stage("run", "success", told), Stage("end", "success", String::new())]
                }
                Progress::Failed(stage, why) => {
                    vec![Stage(stage, "failed", why), Stage("end", "failed", String::new())]
                }
                Progress::Lines(..) => Vec::new(),
            };
            launch.stages.extend_from_slice(stages);
            if stages.iter().any(|stage| stage.0 == "end") {
                launch.waits = None;
            }
        }
        self.time(out);
    }

    pub(super) fn invoke_really(
        &mut self,
        wire: WireId,
        path: &str,
        body: Option<Datum>,
        out: &mut Acting<'_>,
    ) {
        let name = path.trim_start_matches("/fn/").strip_suffix("/invoke").unwrap_or_default();
        let deployed = self.deployed.get_mut(name).filter(|deployed| deployed.is_up());
        match (deployed, body) {
            (Some(deployed), Some(body)) => {
                out.write(wire, stream_head(200, "application/x-ndjson"));
                deployed.invoke(wire, &body, out);
            }
            (None, _) => out.write(wire, refusal(404, &format!("nothing runs as {name:?}"))),
            (_, None) => out.write(wire, refusal(400, "the body is no JSON")),
        }
    }
}
