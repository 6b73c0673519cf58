//! What the tests of the whole share.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
