//! Batches (IRCv3 `batch`): lines that belong together, taken apart and put together again.
