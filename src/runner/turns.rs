//! How many cases play at once, over all runs of the program.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// So many turns; whoever has one plays.
#[derive(Clone, Debug)]
pub struct Turns {
    shared: Arc<(Mutex<usize>, Condvar)>,
    /// How many there are.
    pub count: usize,
}

/// The right to play, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a>(&'a Turns);

impl Turns {
    /// So many turns, at least one.
    pub fn new(count: usize) -> Self {
        let count = count.max(1);
        Self { shared: Arc::new((Mutex::new(count), Condvar::new())), count }
    }

    /// Waits for a turn.
    pub fn take(&self) -> Turn<'_> {
        let (free, freed) = &*self.shared;
        let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let (free, freed) = &*self.0.shared;
        *free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_than_so_many_play_at_once() {
        let turns = Turns::new(3);
        let (playing, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _turn = turns.take();
                        let now = playing.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        playing.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    }
}
