//! Cuts a message into lines that fit, by bytes.
