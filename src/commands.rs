//! One file for each command: each joins the parts that it needs and says how the process is to end.

pub mod check;
pub mod demo;
pub mod evaluate;
pub mod run;
pub mod simulate;
pub mod validate;
