//! Slots without a child. Those that a burst has left over are given back.

use std::sync::Mutex;

use crate::slot::Slot;

/// Slots that stay although nobody needs them: the next burst begins with them.
const SPARE: usize = 8;

/// The free slots of one engine.
#[derive(Debug, Default)]
pub(super) struct FreeSlots(Mutex<Stock<Slot>>);

impl FreeSlots {
    pub(super) fn take(&self) -> Option<Slot> {
        self.0.lock().ok()?.take()
    }

    pub(super) fn put(&self, slot: Slot) {
        if let Ok(mut stock) = self.0.lock() {
            stock.items.push(slot);
        }
    }

    /// Those that nobody has needed since this was last asked.
    pub(super) fn unneeded(&self) -> Vec<Slot> {
        let mut stock = self.0.lock();
        stock
            .as_mut()
            .map_or_else(|_| Vec::new(), |stock| stock.unneeded())
    }
}

#[derive(Debug)]
struct Stock<T> {
    /// The one that was put in last is taken first.
    items: Vec<T>,
    /// The fewest there were since `unneeded` was called.
    least: usize,
}

impl<T> Default for Stock<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            least: 0,
        }
    }
}

impl<T> Stock<T> {
    fn take(&mut self) -> Option<T> {
        let item = self.items.pop();
        self.least = self.least.min(self.items.len());
        item
    }

    fn unneeded(&mut self) -> Vec<T> {
        let count = self.least.saturating_sub(SPARE);
        let unneeded = self.items.drain(..count).collect();
        self.least = self.items.len();
        unneeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_once_is_needed_and_the_oldest_go() {
        let mut stock = Stock::default();
        stock.items.extend(0..SPARE + 10);
        assert_eq!(stock.unneeded(), [0; 0], "nobody could have taken them yet");
        let taken = [stock.take(), stock.take()];
        assert_eq!(taken, [Some(SPARE + 9), Some(SPARE + 8)]);
        stock.items.extend([SPARE + 8, SPARE + 9]);
        assert_eq!(stock.unneeded(), Vec::from_iter(0..8));
        assert_eq!(stock.unneeded(), [8, 9]);
        assert_eq!(stock.unneeded(), [0; 0], "some stay");
    }
}
