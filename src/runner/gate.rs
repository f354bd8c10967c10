//! How many tiles run at once, over all cases that do.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Places for tiles.
pub struct Gate {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Clone, Copy)]
struct State {
    free: usize,
    waiting: usize,
}

/// Places taken; they are free again when this is dropped.
pub struct Places<'g> {
    gate: &'g Gate,
    /// How many.
    pub count: usize,
}

impl Gate {
    /// A gate with so many places, one at least.
    pub fn new(places: usize) -> Self {
        Self {
            state: Mutex::new(State {
                free: places.max(1),
                waiting: 0,
            }),
            freed: Condvar::new(),
        }
    }

    /// Waits for a place, and takes up to `most` of those that are free; others that wait get their
    /// share.
    pub fn take(&self, most: usize) -> Places<'_> {
        let mut state = self.lock();
        state.waiting += 1;
        while state.free == 0 {
            let woken = self.freed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        let share = state.free.div_ceil(state.waiting);
        state.waiting -= 1;
        let count = share.min(most).max(1);
        state.free -= count;
        Places { gate: self, count }
    }

    // The counts are right whenever the lock is free, so a panic elsewhere spoils nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Places<'_> {
    fn drop(&mut self) {
        self.gate.lock().free += self.count;
        self.gate.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[test]
    fn all_places_are_for_one_and_come_back() {
        let gate = Gate::new(4);
        assert_eq!(gate.take(9).count, 4);
        let two = gate.take(2);
        assert_eq!((two.count, gate.take(9).count), (2, 2));
        drop(two);
        assert_eq!(gate.take(9).count, 4);
        assert_eq!(Gate::new(0).take(3).count, 1);
    }

    #[test]
    fn no_more_run_at_once_than_there_are_places() {
        let (gate, running, most) = (Gate::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let places = gate.take(2);
                        let now = running.fetch_add(places.count, Ordering::SeqCst) + places.count;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        running.fetch_sub(places.count, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 3);
        assert_eq!(gate.take(9).count, 3);
    }
}
