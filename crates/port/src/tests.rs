//! What the port promises by itself, without a kernel to compare it to.

mod failures;
mod huge;
mod mappings;
mod rules;
mod scenarios;
mod tasks;
mod told;
mod trees;
mod unmapping;
mod walks;
mod world;
