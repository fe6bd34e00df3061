//! Calls of a runner: connections in a pool, a configuration's token, tries, questions on the way.
//!
//! One request at a time on a connection; a configuration is prepared on a connection of its own while that of the
//! call waits, as the deployed gateway does (apisix/plugins/ext-plugin/init.lua, lines 483, 840).

use std::collections::BTreeMap;

use super::question::{self, Exchange};
use super::{Wires, deviation};
use crate::actor::{
    Act, ActId, Address, CloseHow, Nanos, Part, Payload, Pieces, SECOND, Target, What, WireId,
};
use crate::codec::{Codec, Message};
use crate::datum::{Datum, Kind};
use crate::mocks::Acting;
use crate::protocol::apisix::Apisix;
use crate::protocol::apisix::meaning::{Outcome, called};

/// How often a call is tried in all (`init.lua` line 877).
const TRIES: u32 = 3;
/// The code of an error frame that a further try may mend (`ext-plugin.fbs` lines 49-53).
const TOKEN_NOT_FOUND: i128 = 2;
/// Where the number of a call wraps around (`init.lua` lines 211-225).
const MOST_IDS: u64 = 1 << 22;

/// What became of a call: what the request becomes, or why it failed.
pub(super) type Done = (u64, Result<Outcome, Failed>);

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failed {
    /// In words.
    pub why: String,
    /// Whether nobody could be reached at all.
    pub unreached: bool,
}

/// The side of the gateway that speaks with the runner.
pub(super) struct Caller {
    pub mutant: String,
    pub socket: String,
    pub plugins: Vec<(String, String)>,
    /// How long a reply may take.
    pub timeout: Nanos,
    /// What was sent and received, where somebody wants to see it.
    pub trace: Option<Vec<String>>,
    version: u64,
    token: Option<Datum>,
    /// A reply that nobody asked for, kept by a mutant.
    surplus: Option<Datum>,
    /// The token before, for a mutant that compares.
    last_token: Option<Datum>,
    /// The call that prepares the configuration; others wait for it.
    preparing: Option<u64>,
    lines: BTreeMap<WireId, Line>,
    calls: BTreeMap<u64, Call>,
    next_call: u64,
    next_id: u64,
}

/// A connection to the runner.
struct Line {
    codec: Apisix,
    open: bool,
    /// What is written as soon as it is open.
    unsent: Payload,
    serves: Option<(u64, Task)>,
    deadline: Nanos,
    acts: Vec<ActId>,
}

/// What a connection is used for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Task {
    Prepare,
    Call,
}

struct Call {
    exchange: Exchange,
    tries: u32,
    line: WireId,
    sent: bool,
    questions: u32,
}

impl Caller {
    pub fn new(mutant: &str, socket: String, plugins: Vec<(String, String)>, timeout: Nanos) -> Self {
        Self {
            mutant: mutant.into(),
            socket,
            plugins,
            timeout,
            trace: None,
            version: 1,
            token: None,
            surplus: None,
            last_token: None,
            preparing: None,
            lines: BTreeMap::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            next_id: 0,
        }
    }

    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }

    /// Other plugins from now on.
    pub fn configure(&mut self, plugins: Vec<(String, String)>) {
        if plugins == self.plugins || self.is("changed-configuration-keeps-token") {
            return;
        }
        self.plugins = plugins;
        self.version += u64::from(!self.is("changed-configuration-keeps-key"));
        self.token = None;
    }

    /// The runner ended: its tokens mean nothing any more.
    pub fn forget_tokens(&mut self) {
        self.token = None;
    }

    /// Begins a call; gives its number.
    pub fn begin(&mut self, exchange: Exchange, at: &mut Moment<'_, '_>) -> u64 {
        self.next_call += 1;
        let number = self.next_call;
        self.take_line(number, exchange, 1, at);
        number
    }

    fn take_line(&mut self, number: u64, exchange: Exchange, tries: u32, at: &mut Moment<'_, '_>) {
        let line = self.line(number, Task::Call, at);
        self.calls.insert(number, Call { exchange, tries, line, sent: false, questions: 0 });
        self.proceed(number, at);
    }

    /// A connection of the pool, or a new one.
    fn line(&mut self, number: u64, task: Task, at: &mut Moment<'_, '_>) -> WireId {
        let idle = self.lines.iter_mut().find(|(_, line)| line.serves.is_none() && line.open);
        if let Some((wire, line)) = idle {
            line.serves = Some((number, task));
            line.deadline = at.now + self.timeout;
            return *wire;
        }
        let wire = at.wires.next();
        let to = Target::Connect { addr: Address::Unix(self.socket.clone()), tls: false };
        let open = at.out.act(Act::Open { wire, to });
        let line = Line {
            codec: Apisix::gateway_side().with_defaults(),
            open: false,
            unsent: Payload::default(),
            serves: Some((number, task)),
            deadline: at.now + self.timeout,
            acts: vec![open],
        };
        self.lines.insert(wire, line);
        wire
    }

    /// Sends the call, if its configuration has a token; else prepares it, or waits for who does.
    fn proceed(&mut self, number: u64, at: &mut Moment<'_, '_>) {
        match self.token.clone().filter(|_| !self.is("prepares-every-time")) {
            Some(token) => self.call(number, token, at),
            None if self.is("calls-without-token") => self.call(number, Datum::from(0_u64), at),
            None if self.preparing.is_some() && !self.is("everybody-prepares") => {}
            None => self.prepare(number, at),
        }
    }

    fn prepare(&mut self, number: u64, at: &mut Moment<'_, '_>) {
        self.preparing = Some(number);
        let wire = self.line(number, Task::Prepare, at);
        let entry = |(name, value): &(String, String)| {
            Datum::map([("name", Datum::text(name)), ("value", Datum::text(value))])
        };
        let mut entries: Vec<Datum> = self.plugins.iter().map(entry).collect();
        match self.mutant.as_str() {
            "plugins-are-reversed" => entries.reverse(),
            "first-plugin-only" => entries.truncate(1),
            _ => {}
        }
        let key = format!("route#1#ext-plugin-pre-req#{}", self.version);
        let message = Datum::map([
            ("type", Datum::text("PrepareConf")),
            ("conf", Datum::array(entries)),
            ("key", Datum::text(key)),
        ]);
        if let Err(why) = self.send(wire, &message, at) {
            self.fail(number, &why, at);
        }
    }

    fn call(&mut self, number: u64, token: Datum, at: &mut Moment<'_, '_>) {
        let id = self.next_id;
        self.next_id = (id + 1) % MOST_IDS;
        let Some(call) = self.calls.get_mut(&number).filter(|call| !call.sent) else { return };
        call.sent = true;
        let token = if self.mutant == "calls-with-token-0" { Datum::from(0_u64) } else { token };
        let message = call.exchange.message(id, token, &self.mutant);
        let line = call.line;
        if let Err(why) = self.send(line, &message, at) {
            return self.fail(number, &why, at);
        }
        if let Some(reply) = self.surplus.take() {
            self.replied(line, number, &reply, at);
        }
    }

    fn send(&mut self, wire: WireId, message: &Datum, at: &mut Moment<'_, '_>) -> Result<(), String> {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("> {message}"));
        }
        let wraps = self.is("long-frames-wrap");
        let Some(line) = self.lines.get_mut(&wire) else { return Ok(()) };
        let mut bytes = Payload::default();
        match line.codec.encode(Kind::Message, message, &mut bytes) {
            Err(_) if wraps => bytes = deviation::wrapped_answer(message).into(),
            other => other?,
        }
        line.deadline = at.now + self.timeout;
        if line.open {
            line.acts = vec![write(at.out, wire, bytes)];
        } else {
            line.unsent.append(bytes);
        }
        Ok(())
    }

    /// Takes what happened to one of its wires; false if it is none of its own.
    pub fn take(&mut self, what: &What, at: &mut Moment<'_, '_>) -> bool {
        match what {
            What::Opened { wire, from: None, .. } => {
                let Some(line) = self.lines.get_mut(wire) else { return false };
                line.open = true;
                let unsent = std::mem::take(&mut line.unsent);
                if !unsent.is_empty() {
                    line.acts = vec![write(at.out, *wire, unsent)];
                }
            }
            What::Bytes { wire, part: Part::Main, bytes } => {
                let Some(line) = self.lines.get_mut(wire) else { return false };
                line.codec.feed(&bytes.0);
                self.drain(*wire, at);
                if self.is("cut-reply-is-lost") {
                    self.lose_rest(*wire, at);
                }
            }
            What::Ended { wire, .. } | What::Closed { wire, .. } => {
                let Some(line) = self.lines.get(wire) else { return false };
                if let (Some((number, _)), false) = (line.serves, self.is("closed-is-silence")) {
                    self.drop_line(*wire, at);
                    self.fail(number, "closed", at);
                } else if !self.is("closed-is-silence") {
                    self.drop_line(*wire, at);
                }
            }
            What::Failed { act, why, .. } => {
                let Some(wire) =
                    self.lines.iter().find(|(_, line)| line.acts.contains(act)).map(|(id, _)| *id)
                else {
                    return false;
                };
                let line = self.lines.remove(&wire);
                let unreached = line.as_ref().is_some_and(|line| !line.open);
                if let Some((number, _)) = line.and_then(|line| line.serves) {
                    self.finish(number, Err(Failed { why: why.text.clone(), unreached }), at);
                }
            }
            _ => return false,
        }
        true
    }

    /// A mutant: what has not come whole at once is no reply.
    fn lose_rest(&mut self, wire: WireId, at: &mut Moment<'_, '_>) {
        let Some(line) = self.lines.get_mut(&wire) else { return };
        if let (Some(_), Some((number, _))) = (line.codec.finish(), line.serves) {
            self.drop_line(wire, at);
            self.fail(number, "truncated", at);
        }
    }

    fn drain(&mut self, wire: WireId, at: &mut Moment<'_, '_>) {
        while let Some(next) = self.lines.get_mut(&wire).and_then(|line| line.codec.next()) {
            let serves = self.lines.get(&wire).and_then(|line| line.serves);
            if let (None, Ok(message), true) = (serves, &next, self.is("surplus-is-the-next-reply")) {
                self.surplus = Some(message.datum.clone());
                continue;
            }
            match (serves, next) {
                // Nobody asked for it: whatever it is, it must never be taken for the reply to a later call.
                (None, _) => self.drop_line(wire, at),
                (Some((number, task)), Ok(message)) => self.message(wire, number, task, message, at),
                (Some(_), Err(_)) if self.is("damaged-reply-is-silence") => {}
                (Some((number, Task::Prepare)), Err(_)) if self.is("damaged-reply-keeps-the-lock") => {
                    self.drop_line(wire, at);
                    self.finish_keeping_lock(number, at);
                }
                (Some((number, _)), Err(malformed)) => {
                    self.drop_line(wire, at);
                    self.fail(number, &malformed.reason, at);
                }
            }
        }
    }

    fn message(&mut self, wire: WireId, number: u64, task: Task, message: Message, at: &mut Moment<'_, '_>) {
        let reply = message.datum;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("< {reply}"));
        }
        let kind = reply.get("type").map(|kind| kind.as_text().unwrap_or_default().into_owned());
        let any = self.is("any-type-is-a-reply");
        match (task, kind.as_deref()) {
            (Task::Prepare, Some("Error")) if self.is("refused-token-is-token-0") && code_of(&reply) != 2 => {
                self.prepared(wire, number, &Datum::map::<String>([]), at);
            }
            (_, Some("Error")) if !any => self.refused(wire, number, &reply, at),
            (Task::Call, Some("ExtraInfo")) => self.asked(wire, number, &reply, at),
            (Task::Prepare, Some("PrepareConf")) => self.prepared(wire, number, &reply, at),
            (Task::Call, Some("HTTPReqCall")) => self.replied(wire, number, &reply, at),
            (Task::Call, _) if any => self.replied(wire, number, &Datum::map::<String>([]), at),
            _ => {
                self.drop_line(wire, at);
                let kind = reply.get("type").map(ToString::to_string).unwrap_or_default();
                self.fail(number, &format!("unexpected type {kind}"), at);
            }
        }
    }

    fn refused(&mut self, wire: WireId, number: u64, error: &Datum, at: &mut Moment<'_, '_>) {
        if !self.is("keeps-connection-after-error") {
            self.drop_line(wire, at);
        } else if let Some(line) = self.lines.get_mut(&wire) {
            line.serves = None;
        }
        let code = code_of(error);
        let tries = self.calls.get(&number).map_or(TRIES, |call| call.tries);
        let most = match self.mutant.as_str() {
            "never-tries-again" => 1,
            "tries-four-times" => TRIES + 1,
            _ => TRIES,
        };
        let may_retry = code == TOKEN_NOT_FOUND || self.is("tries-again-after-any-error");
        if may_retry && tries < most {
            if !self.is("tries-again-with-the-old-token") {
                self.token = None;
            }
            return self.again(number, tries + 1, at);
        }
        let text = match code {
            0 => "bad request".to_owned(),
            1 => "service unavailable".to_owned(),
            TOKEN_NOT_FOUND => format!("conf token not found, after {tries} tries"),
            other => format!("unknown error {other}"),
        };
        self.fail(number, &text, at);
    }

    fn again(&mut self, number: u64, tries: u32, at: &mut Moment<'_, '_>) {
        let Some(call) = self.calls.remove(&number) else { return };
        self.drop_line(call.line, at);
        self.release_lock(number);
        self.take_line(number, call.exchange, tries, at);
        self.wake_waiting(at);
    }

    fn prepared(&mut self, wire: WireId, number: u64, reply: &Datum, at: &mut Moment<'_, '_>) {
        let token = reply.get("token").cloned().unwrap_or(Datum::from(0_u64));
        self.release(wire, at);
        self.release_lock(number);
        let token = match (self.mutant.as_str(), token.as_int()) {
            ("token-0-is-none", Some(0)) => return self.fail(number, "no token", at),
            ("tokens-have-31-bits", Some(token)) => Datum::from((token & 0x7fff_ffff) as u64),
            _ => token,
        };
        if self.is("same-token-is-no-new-one") && self.last_token.as_ref() == Some(&token) {
            return self.fail(number, "the same token again", at);
        }
        self.last_token = Some(token.clone());
        self.token = Some(token.clone());
        self.call(number, token, at);
        self.wake_waiting(at);
    }

    fn asked(&mut self, wire: WireId, number: u64, question: &Datum, at: &mut Moment<'_, '_>) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.questions += 1;
        let most = match self.mutant.as_str() {
            "answers-one-question" => 1,
            "answers-ten-questions" => 10,
            _ => u32::MAX,
        };
        if call.questions > most {
            return;
        }
        match question::answer(question.get("info"), &call.exchange, &self.mutant) {
            Ok(result) => {
                let result = result.map(|bytes| ("result", Datum::bytes(bytes)));
                let answer = Datum::map([("type", Datum::text("ExtraInfo"))].into_iter().chain(result));
                if let Err(why) = self.send(wire, &answer, at) {
                    self.drop_line(wire, at);
                    self.fail(number, &why, at);
                }
            }
            Err(why) => {
                if !self.is("unknown-question-keeps-connection") {
                    self.drop_line(wire, at);
                } else if let Some(line) = self.lines.get_mut(&wire) {
                    line.serves = None;
                }
                self.fail(number, &why, at);
            }
        }
    }

    fn replied(&mut self, wire: WireId, number: u64, reply: &Datum, at: &mut Moment<'_, '_>) {
        let oldest = self.calls.keys().next().filter(|_| self.is("replies-go-to-the-oldest-call"));
        let number = oldest.copied().unwrap_or(number);
        let Some(call) = self.calls.get(&number) else { return };
        let deviant = deviation::of_reply(&self.mutant, reply);
        let outcome = called(&call.exchange.request, &deviant);
        let outcome = deviation::of_outcome(&self.mutant, reply, outcome);
        match outcome {
            Outcome::Failure(_) => self.drop_line(wire, at),
            _ => self.release(wire, at),
        }
        match outcome {
            Outcome::Failure(why) => self.fail(number, &why, at),
            outcome => self.finish(number, Ok(outcome), at),
        }
    }

    /// Puts a connection back into the pool, unless bytes that nobody asked for are there already.
    fn release(&mut self, wire: WireId, at: &mut Moment<'_, '_>) {
        let trusting = self.is("surplus-is-the-next-reply");
        let Some(line) = self.lines.get_mut(&wire) else { return };
        line.serves = None;
        if !trusting && (line.codec.next().is_some() || line.codec.finish().is_some()) {
            self.drop_line(wire, at);
        }
    }

    fn drop_line(&mut self, wire: WireId, at: &mut Moment<'_, '_>) {
        if self.is("surplus-is-the-next-reply")
            && self.lines.get(&wire).is_some_and(|line| line.serves.is_none())
        {
            return;
        }
        if self.lines.remove(&wire).is_some() {
            at.out.close(wire, CloseHow::Both);
        }
    }

    fn release_lock(&mut self, number: u64) {
        if self.preparing == Some(number) {
            self.preparing = None;
        }
    }

    /// Those that waited for the token have it, or one of them prepares now.
    fn wake_waiting(&mut self, at: &mut Moment<'_, '_>) {
        let waiting: Vec<u64> =
            self.calls.iter().filter(|(_, call)| !call.sent).map(|(number, _)| *number).collect();
        for number in waiting {
            if self.preparing.is_none() || self.token.is_some() {
                self.proceed(number, at);
            }
        }
    }

    fn fail(&mut self, number: u64, why: &str, at: &mut Moment<'_, '_>) {
        self.finish(number, Err(Failed { why: why.into(), unreached: false }), at);
    }

    fn finish(&mut self, number: u64, result: Result<Outcome, Failed>, at: &mut Moment<'_, '_>) {
        let Some(_) = self.calls.remove(&number) else { return };
        let still: Vec<WireId> = self
            .lines
            .iter()
            .filter(|(_, line)| line.serves.is_some_and(|(serves, _)| serves == number))
            .map(|(wire, _)| *wire)
            .collect();
        for wire in still {
            self.drop_line(wire, at);
        }
        self.release_lock(number);
        at.done.push((number, result));
        self.wake_waiting(at);
    }

    /// A mutant: the call fails, and nobody can prepare any more.
    fn finish_keeping_lock(&mut self, number: u64, at: &mut Moment<'_, '_>) {
        if let Some(call) = self.calls.remove(&number) {
            self.drop_line(call.line, at);
            at.done.push((number, Err(Failed { why: "damaged".into(), unreached: false })));
        }
    }

    /// When the next reply is late.
    pub fn deadline(&self) -> Option<Nanos> {
        if self.is("silence-is-borne") {
            return None;
        }
        self.lines.values().filter(|line| line.serves.is_some()).map(|line| line.deadline).min()
    }

    /// Fails the calls whose reply is late.
    pub fn time(&mut self, at: &mut Moment<'_, '_>) {
        if self.is("silence-is-borne") {
            return;
        }
        let waits = |call: u64, calls: &BTreeMap<u64, Call>| calls.get(&call).is_some_and(|call| !call.sent);
        let late = self.lines.iter().filter(|(_, line)| line.deadline <= at.now);
        let late: Vec<(WireId, u64)> = late
            .filter_map(|(wire, line)| line.serves.map(|(number, task)| (*wire, number, task)))
            .filter(|(_, number, task)| *task == Task::Prepare || !waits(*number, &self.calls))
            .map(|(wire, number, _)| (wire, number))
            .collect();
        for (wire, number) in late {
            self.drop_line(wire, at);
            self.fail(number, "timeout", at);
        }
    }
}

/// The moment at which something happens: the clock, the wires, what is done and what is over.
pub(super) struct Moment<'a, 'b> {
    pub now: Nanos,
    pub wires: &'a mut Wires,
    pub out: &'a mut Acting<'b>,
    /// Calls that are over.
    pub done: &'a mut Vec<Done>,
    /// Requests whose call may begin, with their clients.
    pub begins: &'a mut Vec<(WireId, Exchange)>,
}

/// The code of an error frame.
fn code_of(error: &Datum) -> i128 {
    error.get("code").and_then(Datum::as_int).unwrap_or_default()
}

fn write(out: &mut Acting<'_>, wire: WireId, bytes: Payload) -> ActId {
    out.act(Act::Write { wire, part: Part::Main, bytes, pieces: Pieces::Whole })
}

/// Sixty seconds, as the deployed gateway waits (`init.lua` lines 840-842).
pub(super) const TIMEOUT: Nanos = 60 * SECOND;
