//! What a scenario says must mean something in its suite.
