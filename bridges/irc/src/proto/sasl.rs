//! SASL: choice of a mechanism and its exchange.
