//! The reference engine: runs one step of a plugin command, or serves as the driver of the contract.

mod greeting;
mod session;
mod slip;
mod stop;
mod work;

use self::session::{Answer, Conduct, Dialect, Order, Session};
use super::mutants::is_mutant;
use crate::actor::{Actor, Exit, Nanos, Part, Payload, SECOND, What, WireId};
use crate::codec::lines::JsonLines;
use crate::codec::{Codec, json};
use crate::datum::{Datum, Kind};
use crate::mocks::{Acting, Role, actor, flag, option};

/// Exit status when the step failed.
const FAILED: i32 = 1;
/// Exit status when the plugin's command cannot be started.
const NOT_STARTED: i32 = 3;

/// Makes an engine from its command line.
///
/// # Errors
/// A command line that is none.
pub fn make(args: &[String]) -> Result<Box<dyn Actor>, String> {
    let cut = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    let mut own = args[..cut].to_vec();
    let command = args.get(cut + 1..).unwrap_or_default().to_vec();
    let conduct = conduct(&mut own)?;
    if flag(&mut own, "serve") {
        return match (own.first(), command.is_empty()) {
            (Some(unknown), _) => Err(format!("unknown option {unknown}")),
            (None, false) => Err("`serve` is told what to run by its operations, not by a command".into()),
            (None, true) => Ok(actor(Engine::new(conduct, Front::Serve(JsonLines::default())))),
        };
    }
    let step = option(&mut own, "--step").ok_or("say which step to run: --step NAME")?;
    let input = option(&mut own, "--input").unwrap_or_else(|| "{}".into());
    let input = json::parse(input.as_bytes()).map_err(|error| format!("--input is no JSON: {error}"))?;
    if let Some(unknown) = own.first() {
        let is_option = unknown.starts_with('-');
        let why = format!("`{unknown}` is no option; the command of the plugin goes behind `--`");
        return Err(if is_option { format!("unknown option {unknown}") } else { why });
    }
    if command.is_empty() {
        return Err("say how the plugin is started: .. -- COMMAND".into());
    }
    let order = Order { peer: command, step, input };
    Ok(actor(Engine::new(conduct, Front::Once(Some(order)))))
}

fn conduct(own: &mut Vec<String>) -> Result<Conduct, String> {
    let mutant = option(own, "--mutant").unwrap_or_default();
    if !mutant.is_empty() && !is_mutant("engine", &mutant) {
        return Err(format!("the arcaflow engine has no mutant `{mutant}`"));
    }
    let dialect = match option(own, "--profile").as_deref() {
        None | Some("v3") => Some(Dialect::V3),
        Some("v1") => Some(Dialect::V1),
        Some("document") => Some(Dialect::Document),
        Some("auto") => None,
        Some(other) => {
            return Err(format!("there is no profile `{other}` (known: v3, v1, document, auto)"));
        }
    };
    let closure = match option(own, "--closure") {
        None => None,
        Some(text) => match text.parse::<f64>() {
            Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Some((seconds * SECOND as f64) as Nanos),
            _ => return Err(format!("--closure {text}: write seconds, for example 2.5")),
        },
    };
    Ok(Conduct { mutant, dialect, closure, trace: flag(own, "--trace") })
}

/// Who gives orders and gets answers.
enum Front {
    /// The command line: one run, its result on standard output.
    Once(Option<Order>),
    /// A driver: JSON lines on standard input and output.
    Serve(JsonLines),
}

/// The engine: a front, and one session for each plugin that it has started.
struct Engine {
    conduct: Conduct,
    front: Front,
    sessions: Vec<(Datum, Session)>,
    started: u32,
    /// Nothing new is begun; the engine ends when its sessions are over, with this status.
    leaving: Option<i32>,
    interrupted: bool,
    alarm: Option<Nanos>,
    /// What mutants keep from one plugin to the next.
    memory: slip::Memory,
}

impl Role for Engine {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { .. } => {
                if let Front::Once(order) = &mut self.front
                    && let Some(order) = order.take()
                {
                    self.begin(Datum::Null, order, out);
                }
            }
            What::Bytes { wire: WireId::STDIO, part: Part::Main, bytes } => {
                self.orders(&bytes.0, out);
            }
            What::Ended { wire: WireId::STDIO, .. } => self.no_more_orders(out),
            What::Signal { wire: WireId::STDIO, signal } => self.signal(*signal, out),
            What::Time => self.alarm = None,
            _ => {}
        }
        for (_, session) in &mut self.sessions {
            session.take(what, out);
        }
        self.settle(out);
    }
}

impl Engine {
    fn new(conduct: Conduct, front: Front) -> Self {
        Self {
            conduct,
            front,
            sessions: Vec::new(),
            started: 0,
            leaving: None,
            interrupted: false,
            alarm: None,
            memory: slip::Memory::default(),
        }
    }

    fn begin(&mut self, asked: Datum, order: Order, out: &mut Acting<'_>) {
        self.started += 1;
        let session = Session::start(self.conduct.clone(), self.started, order, self.memory.clone(), out);
        self.sessions.push((asked, session));
    }

    /// Tells what the sessions have come to, and ends when nothing is left to do.
    fn settle(&mut self, out: &mut Acting<'_>) {
        if self.conduct.is("results-swapped") {
            self.swap();
        }
        let answers: Vec<(Datum, Answer)> = self
            .sessions
            .iter_mut()
            .filter_map(|(asked, session)| Some((asked.clone(), session.answer()?)))
            .collect();
        for (asked, answer) in answers {
            if self.conduct.is("step-fatal-fails-all") && matches!(answer, Answer::Failed(_)) {
                self.sessions.iter_mut().for_each(|(_, session)| session.fail("another step failed", out));
            }
            self.tell(asked, answer, out);
        }
        self.sessions.iter().for_each(|(_, session)| self.memory.keep(&session.memory));
        self.sessions.retain(|(_, session)| !session.is_over());
        let next = self.sessions.iter().filter_map(|(_, session)| session.alarm()).min();
        if next != self.alarm
            && let Some(at) = next
        {
            out.wake(at);
        }
        self.alarm = next;
        if self.sessions.is_empty()
            && let Some(status) = self.leaving
        {
            out.exit(Exit::Code(status));
        }
    }

    /// A mutant: the first answer of two runs goes to the other.
    fn swap(&mut self) {
        if let [(one, first), (two, second)] = self.sessions.as_mut_slice()
            && (first.answer.is_some() && !second.answered || second.answer.is_some() && !first.answered)
        {
            std::mem::swap(one, two);
        }
    }

    fn tell(&mut self, asked: Datum, answer: Answer, out: &mut Acting<'_>) {
        let (status, mut fields) = match answer {
            Answer::Output { id, data } => (0, vec![("output_id", Datum::text(id)), ("output_data", data)]),
            Answer::Failed(why) => (FAILED, vec![("error", Datum::text(why))]),
            Answer::NotStarted(why) => (NOT_STARTED, vec![("error", Datum::text(why))]),
        };
        if matches!(self.front, Front::Once(_)) {
            self.leaving = Some(status);
        } else {
            fields.insert(0, ("id", asked));
        }
        print_line(&Datum::map(fields), out);
    }

    fn orders(&mut self, bytes: &[u8], out: &mut Acting<'_>) {
        if let Front::Serve(lines) = &mut self.front {
            lines.feed(bytes);
        }
        while let Front::Serve(lines) = &mut self.front {
            match lines.next() {
                None => return,
                Some(Ok(message)) => self.order(&message.datum, out),
                Some(Err(malformed)) => {
                    out.complain(&format!(
                        "an operation must be one JSON object a line: {}",
                        malformed.reason
                    ));
                }
            }
        }
    }

    fn order(&mut self, message: &Datum, out: &mut Acting<'_>) {
        let asked = message.get("id").cloned().unwrap_or(Datum::Null);
        let refuse = |why: &str, out: &mut Acting<'_>| {
            print_line(&Datum::map([("id", asked.clone()), ("error", Datum::text(why))]), out);
        };
        match message.get("op").and_then(Datum::as_text).as_deref() {
            Some("run") => match order_of(message) {
                Ok(order) => self.begin(asked, order, out),
                Err(why) => refuse(&why, out),
            },
            Some("cancel") => {
                self.sessions.iter_mut().for_each(|(_, session)| session.cancel(out));
                print_line(&Datum::map([("id", asked)]), out);
            }
            Some(other) => refuse(&format!("there is no operation `{other}` (known: run, cancel)"), out),
            None => refuse("an operation has an `op`", out),
        }
    }

    fn no_more_orders(&mut self, out: &mut Acting<'_>) {
        if matches!(self.front, Front::Serve(_)) {
            self.leaving = Some(0);
            self.sessions.iter_mut().for_each(|(_, session)| session.stop(out));
        }
    }

    /// The first interrupt cancels; what comes after it, or asks for an end, ends the plugins at once.
    fn signal(&mut self, signal: i32, out: &mut Acting<'_>) {
        const SIGINT: i32 = 2;
        let first = !std::mem::replace(&mut self.interrupted, true);
        for (_, session) in &mut self.sessions {
            if signal == SIGINT && first {
                session.cancel(out);
            } else {
                session.kill("the engine was stopped", out);
            }
        }
        if matches!(self.front, Front::Serve(_)) {
            self.leaving = Some(128 + signal);
        }
    }
}

fn order_of(message: &Datum) -> Result<Order, String> {
    let words = message.get("peer").and_then(Datum::as_array).unwrap_or_default();
    let peer: Vec<String> = words.iter().filter_map(|word| word.as_text().map(Into::into)).collect();
    let step = message.get("step").and_then(Datum::as_text).ok_or("`run` needs a `step`")?.into_owned();
    let input = message.get("input").cloned().unwrap_or_else(|| Datum::map::<String>([]));
    if peer.is_empty() {
        return Err("`run` needs a `peer`: the command of the plugin, as a list".into());
    }
    Ok(Order { peer, step, input })
}

fn print_line(value: &Datum, out: &mut Acting<'_>) {
    let mut line = Payload::default();
    if let Err(why) = JsonLines::default().encode(Kind::Message, value, &mut line) {
        let error = Datum::text(format!("the output cannot be told as JSON: {why}"));
        let id = value.get("id").cloned().unwrap_or(Datum::Null);
        line = Payload::default();
        let _ = JsonLines::default().encode(
            Kind::Message,
            &Datum::map([("id", id), ("error", error)]),
            &mut line,
        );
    }
    out.print(line);
}
