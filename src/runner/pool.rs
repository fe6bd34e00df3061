//! The workers that play the cases of all runs of the program.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Builder, Runtime};

use crate::actor::Nanos;

/// What a worker is given to do, with the runtime that it has.
type Job<'env> = Box<dyn FnOnce(&io::Result<Runtime>) + Send + 'env>;

/// How long something waits, at least and at most.
type Waits = (Nanos, Nanos);

/// So many workers and what is left for them to do, ordered by how long it waits.
///
/// Every other worker begins with what waits longest: so nothing long is begun last, and while those workers wait, the
/// others have the cores.
pub struct Pool<'env> {
    left: Mutex<Left<'env>>,
    changed: Condvar,
}

struct Left<'env> {
    /// What waits longest stands first; of equals what came last.
    jobs: VecDeque<(Waits, Job<'env>)>,
    is_closed: bool,
}

impl<'env> Pool<'env> {
    /// Has `workers` workers, at least one, for as long as `with` takes.
    pub fn scope<R>(workers: usize, with: impl FnOnce(&Self) -> R) -> R {
        let left = Left { jobs: VecDeque::new(), is_closed: false };
        let pool = Self { left: Mutex::new(left), changed: Condvar::new() };
        std::thread::scope(|scope| {
            for worker in 0..workers.max(1) {
                let pool = &pool;
                scope.spawn(move || pool.work(worker % 2 == 1));
            }
            let _closed_at_last = Closing(&pool);
            with(&pool)
        })
    }

    /// Leaves something to do that waits so long, at least and at most.
    pub(super) fn add(&self, waits: Waits, job: Job<'env>) {
        let mut left = self.left();
        let place = left.jobs.partition_point(|(other, _)| *other > waits);
        left.jobs.insert(place, (waits, job));
        self.changed.notify_one();
    }

    fn work(&self, longest_first: bool) {
        let runtime = Builder::new_current_thread().enable_all().build();
        while let Some(job) = self.next(longest_first) {
            job(&runtime);
        }
    }

    /// Waits for something to do; `None` once there is nothing left and nothing will come.
    fn next(&self, longest_first: bool) -> Option<Job<'env>> {
        let mut left = self.left();
        loop {
            let one_waits = left.jobs.front().is_some_and(|(waits, _)| *waits != (0, 0));
            let next = if longest_first && one_waits { left.jobs.pop_front() } else { left.jobs.pop_back() };
            if next.is_some() || left.is_closed {
                return next.map(|(_, job)| job);
            }
            left = self.changed.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn left(&self) -> MutexGuard<'_, Left<'env>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
                pool.add((number % 7, 0), Box::new(job));
            }
        });
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(played.load(Ordering::SeqCst), 600);
    }

    #[test]
    fn of_equals_the_first_comes_first_and_what_takes_longest_has_a_worker() {
        let order = Mutex::new(Vec::new());
        let left = Left { jobs: VecDeque::new(), is_closed: true };
        let pool = Pool { left: Mutex::new(left), changed: Condvar::new() };
        for (name, waits) in [("a", (0, 0)), ("b", (0, 5)), ("c", (0, 0)), ("d", (1, 0))] {
            let order = &order;
            pool.add(waits, Box::new(move |_| order.lock().expect("no panic").push(name)));
        }
        let none = Err(io::Error::other("not needed"));
        for longest_first in [false, true, false, false] {
            pool.next(longest_first).expect("there is one left")(&none);
        }
        assert!(pool.next(true).is_none());
        assert_eq!(*order.lock().expect("no panic"), ["a", "d", "c", "b"]);
    }
}
