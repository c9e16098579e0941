//! One lane's line of deliveries in memory, as a pure state machine: the commit hook offers new
//! ones, a page of the journal fills up what did not fit, the lane's task takes from the front.
//!
//! The two sources see the same deliveries at different moments: a page that was begun before a
//! commit may or may not hold what the hook announces after it. The rule that keeps the line
//! complete, in order and free of repetitions: `tail` is the last delivery that was ever taken in;
//! everything above it is either announced by the hook while nothing is missing in between, or
//! read. While a page is being read, announcements are only noted. `lanes` calls this.

use std::collections::VecDeque;

/// The most deliveries that one lane holds in memory when memory is tight; the rest stays in the
/// journal.
pub(crate) const IN_MEMORY: usize = 32;

/// Something with a place in the line. Places grow with each commit.
pub(crate) trait Numbered {
    /// The delivery's number.
    fn number(&self) -> i64;
}

/// What the lane does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<T> {
    /// Deliver this one.
    Take(T),
    /// Read the page of deliveries above `after`, and hand it to [`Line::filled`].
    Read { after: i64 },
    /// Nothing waits.
    Empty,
}

/// The line.
#[derive(Debug)]
pub(crate) struct Line<T> {
    queue: VecDeque<T>,
    /// The last delivery that was taken into the queue, or is known to be gone.
    tail: i64,
    /// The newest delivery that the hook announced.
    newest: i64,
    /// The newest one announced when the running read began.
    newest_at_read: i64,
    /// The journal may hold deliveries above `tail`.
    behind: bool,
    reading: bool,
}

impl<T: Numbered> Line<T> {
    /// A line of which all that may wait is in the journal.
    pub(crate) fn from_journal() -> Self {
        Self { queue: VecDeque::new(), tail: 0, newest: 0, newest_at_read: 0, behind: true, reading: false }
    }

    /// A line in which nothing waited before this delivery.
    pub(crate) fn starting_with(item: T) -> Self {
        let number = item.number();
        let queue = VecDeque::from([item]);
        Self { queue, tail: number, newest: number, newest_at_read: 0, behind: false, reading: false }
    }

    /// The hook announces a committed delivery; `most` may be held in memory now.
    pub(crate) fn offer(&mut self, item: T, most: usize) {
        let number = item.number();
        self.newest = self.newest.max(number);
        if number <= self.tail || self.reading || self.behind {
            return;
        }
        if self.queue.len() >= most {
            self.behind = true;
            return;
        }
        self.tail = number;
        self.queue.push_back(item);
    }

    /// What comes next; begins a read where it says so.
    pub(crate) fn next(&mut self) -> Next<T> {
        if let Some(item) = self.queue.pop_front() {
            return Next::Take(item);
        }
        if !self.behind {
            return Next::Empty;
        }
        debug_assert!(!self.reading, "one task reads for a lane");
        self.reading = true;
        self.newest_at_read = self.newest;
        Next::Read { after: self.tail }
    }

    /// What comes next, if it is in memory.
    pub(crate) fn take_from_memory(&mut self) -> Option<T> {
        self.queue.pop_front()
    }

    /// The page that [`Next::Read`] asked for; `complete` if the journal held no more of them.
    pub(crate) fn filled(&mut self, page: Vec<T>, complete: bool) {
        self.reading = false;
        for item in page {
            debug_assert!(item.number() > self.tail, "pages are in order");
            self.tail = item.number();
            self.queue.push_back(item);
        }
        if complete {
            // What was announced before the read began and is not in the page has been dropped.
            self.tail = self.tail.max(self.newest_at_read);
        }
        self.behind = !complete || self.newest > self.tail;
    }

    /// The page could not be read; it is asked for again.
    pub(crate) fn not_filled(&mut self) {
        self.reading = false;
    }

    /// Forgets what is in memory: `head`, just taken, and everything behind it is read again from
    /// the journal. How a lane that has to wait costs next to nothing.
    pub(crate) fn put_back(&mut self, head: i64) {
        self.queue.clear();
        self.tail = head - 1;
        self.behind = true;
    }

    /// Takes a delivery out, if it is in memory.
    pub(crate) fn remove(&mut self, number: i64) {
        self.queue.retain(|item| item.number() != number);
    }

    /// The first one in memory.
    pub(crate) fn front(&self) -> Option<&T> {
        self.queue.front()
    }

    /// How many are in memory.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    impl Numbered for i64 {
        fn number(&self) -> i64 {
            *self
        }
    }

    /// What can happen next, in any order that the real parts allow.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        /// The writer commits one more.
        Commit,
        /// The hook announces the oldest commit that it has not announced.
        Announce,
        /// The task asks what is next; a read takes its snapshot now.
        Ask,
        /// A running read's page arrives.
        Arrive,
        /// The delivery that was taken fails for now; the lane is parked and started again.
        Park,
        /// A waiting delivery is dropped by an administrator.
        Drop(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => Just(Step::Commit),
            6 => Just(Step::Announce),
            5 => Just(Step::Ask),
            3 => Just(Step::Arrive),
            1 => Just(Step::Park),
            1 => any::<u8>().prop_map(Step::Drop),
        ]
    }

    struct World {
        line: Line<i64>,
        page: usize,
        journal: BTreeSet<i64>,
        committed: i64,
        announced: i64,
        snapshot: Option<(Vec<i64>, bool)>,
        in_hand: Option<i64>,
        delivered: Vec<i64>,
        dropped: BTreeSet<i64>,
    }

    impl World {
        fn new(backlog: i64, page: usize) -> Self {
            Self {
                line: Line::from_journal(),
                page,
                journal: (1..=backlog).collect(),
                committed: backlog,
                announced: backlog,
                snapshot: None,
                in_hand: None,
                delivered: Vec::new(),
                dropped: BTreeSet::new(),
            }
        }

        fn finish_in_hand(&mut self) {
            if let Some(number) = self.in_hand.take() {
                self.delivered.push(number);
                self.journal.remove(&number);
            }
        }

        /// False if nothing waits.
        fn ask(&mut self) -> bool {
            if self.snapshot.is_some() {
                return true;
            }
            self.finish_in_hand();
            match self.line.next() {
                Next::Take(number) => self.in_hand = Some(number),
                Next::Read { after } => {
                    let page: Vec<i64> = self.journal.range(after + 1..).copied().take(self.page).collect();
                    let complete = page.len() < self.page;
                    self.snapshot = Some((page, complete));
                }
                Next::Empty => return false,
            }
            true
        }

        fn arrive(&mut self) {
            if let Some((page, complete)) = self.snapshot.take() {
                self.line.filled(page, complete);
            }
        }

        fn announce(&mut self) {
            if self.announced < self.committed {
                self.announced += 1;
                self.line.offer(self.announced, IN_MEMORY);
            }
        }

        fn take(&mut self, step: Step) {
            match step {
                Step::Commit => {
                    self.committed += 1;
                    self.journal.insert(self.committed);
                }
                Step::Announce => self.announce(),
                Step::Ask => {
                    self.ask();
                }
                Step::Arrive => self.arrive(),
                Step::Park => {
                    if let Some(head) = self.in_hand.take() {
                        self.line.put_back(head);
                    }
                }
                Step::Drop(nth) => {
                    let waiting: Vec<i64> = {
                        let known = self.journal.range(..=self.announced).copied();
                        known.filter(|n| Some(*n) != self.in_hand).collect()
                    };
                    let reading = self.snapshot.is_some();
                    if let Some(number) = waiting.get(usize::from(nth) % waiting.len().max(1)).copied()
                        && !reading
                    {
                        self.journal.remove(&number);
                        self.line.remove(number);
                        self.dropped.insert(number);
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_delivery_is_taken_once_and_in_order_however_hook_and_reads_interleave(
            backlog in 0_i64..100,
            page in 1_usize..40,
            steps in prop::collection::vec(step(), 0..600),
        ) {
            let mut world = World::new(backlog, page);
            for step in steps {
                world.take(step);
                prop_assert!(world.line.len() <= IN_MEMORY.max(page));
            }
            while world.announced < world.committed {
                world.announce();
            }
            loop {
                world.arrive();
                if !world.ask() {
                    break;
                }
            }
            let expected: Vec<i64> = (1..=world.committed).filter(|n| !world.dropped.contains(n)).collect();
            prop_assert_eq!(world.delivered, expected);
        }
    }
}
