//! The workers that play the cases of all runs of the program.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Builder, Runtime};

use crate::actor::Nanos;
use crate::parallel::cores;

/// What a worker is given to do, with the runtime that it has.
type Job<'env> = Box<dyn FnOnce(&io::Result<Runtime>) + Send + 'env>;

/// How long something waits, at least and at most.
type Waits = (Nanos, Nanos);

/// So many workers and what is left for them to do, ordered by how long it may take.
///
/// What waits takes a worker and no core, so the longest begins first, beside what does not wait. Of that only a few play
/// at once, enough for the cores: more would not end sooner, but get in each other's way.
pub struct Pool<'env> {
    workers: usize,
    left: Mutex<Left<'env>>,
    changed: Condvar,
}

#[derive(Default)]
struct Left<'env> {
    /// What waits.
    waiting: Queue<'env>,
    /// What does not.
    quick: Queue<'env>,
    /// How many that do not wait are being played.
    busy: usize,
    is_closed: bool,
}

/// Before everything else: others wait for it.
pub(super) const FIRST: Waits = (Nanos::MAX, Nanos::MAX);

/// What may take longest stands first; of equals what came first.
type Queue<'env> = VecDeque<(Waits, Job<'env>)>;

/// Who waits less than this, 20 ms, is busy most of the time.
const WAIT: Nanos = 20_000_000;

/// How many that do not wait play at once on each core: each also lets the others go on while it waits for its subject.
const BUSY: usize = 3;

impl<'env> Pool<'env> {
    /// Has `workers` workers, at least one, for as long as `with` takes.
    pub fn scope<R>(workers: usize, with: impl FnOnce(&Self) -> R) -> R {
        let pool = Self { workers: workers.max(1), left: Mutex::default(), changed: Condvar::new() };
        std::thread::scope(|scope| {
            for _ in 0..pool.workers {
                scope.spawn(|| pool.work());
            }
            let _closed_at_last = Closing(&pool);
            with(&pool)
        })
    }

    /// Leaves something to do that waits so long, at least and at most.
    pub(super) fn add(&self, waits: Waits, job: Job<'env>) {
        let mut left = self.left();
        let queue = if is_waiting(waits) { &mut left.waiting } else { &mut left.quick };
        let place = queue.partition_point(|(other, _)| *other >= waits);
        queue.insert(place, (waits, job));
        self.changed.notify_one();
    }

    fn work(&self) {
        let runtime = Builder::new_current_thread().enable_all().build();
        while let Some((waits, job)) = self.next() {
            job(&runtime);
            if !is_waiting(waits) {
                self.left().busy -= 1;
            }
        }
    }

    /// Waits for something to do; `None` once there is nothing left and nothing will come.
    fn next(&self) -> Option<(Waits, Job<'env>)> {
        let mut left = self.left();
        loop {
            if let Some(next) = left.pick(self.workers) {
                if left.waiting.is_empty() && (is_waiting(next.0) || left.quick.is_empty()) {
                    // More of the rest may play now, or there is no rest.
                    self.changed.notify_all();
                }
                return Some(next);
            }
            if left.is_closed && left.waiting.is_empty() && left.quick.is_empty() {
                return None;
            }
            left = self.changed.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn left(&self) -> MutexGuard<'_, Left<'env>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'env> Left<'env> {
    fn pick(&mut self, workers: usize) -> Option<(Waits, Job<'env>)> {
        if let Some((FIRST, _)) = self.waiting.front() {
            return self.waiting.pop_front();
        }
        let workers = if self.waiting.is_empty() { workers } else { workers.div_ceil(2) };
        if self.busy < workers.min(BUSY * cores())
            && let Some(next) = self.quick.pop_front()
        {
            self.busy += 1;
            return Some(next);
        }
        self.waiting.pop_front()
    }
}

fn is_waiting((least, _): Waits) -> bool {
    least >= WAIT
}

/// Sends the workers home when it is dropped, also by a panic: else nobody would ever end them.
struct Closing<'a, 'env>(&'a Pool<'env>);

impl Drop for Closing<'_, '_> {
    fn drop(&mut self) {
        self.0.left().is_closed = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_than_so_many_play_at_once_and_none_is_forgotten() {
        let (playing, most, played) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Pool::scope(3, |pool| {
            for number in 0..600 {
                let (playing, most, played) = (&playing, &most, &played);
                let job = move |_: &io::Result<Runtime>| {
                    most.fetch_max(playing.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    playing.fetch_sub(1, Ordering::SeqCst);
                    played.fetch_add(1, Ordering::SeqCst);
                };
                pool.add((number % 7 * WAIT / 3, 0), Box::new(job));
            }
        });
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(played.load(Ordering::SeqCst), 600);
    }

    #[test]
    fn what_others_wait_for_comes_first_and_of_equals_the_first_and_what_waits_has_a_worker() {
        let order = Mutex::new(Vec::new());
        let pool = Pool { workers: 4, left: Mutex::default(), changed: Condvar::new() };
        for (name, waits) in [("a", (0, 0)), ("b", (0, 5)), ("c", (0, 0)), ("d", (WAIT, 0)), ("e", FIRST)] {
            let order = &order;
            pool.add(waits, Box::new(move |_| order.lock().expect("no panic").push(name)));
        }
        let none = Err(io::Error::other("not needed"));
        for _ in 0..5 {
            pool.next().expect("there is one left").1(&none);
        }
        assert!(pool.left().pick(4).is_none());
        assert_eq!(*order.lock().expect("no panic"), ["e", "b", "a", "d", "c"]);
    }
}
