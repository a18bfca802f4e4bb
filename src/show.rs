//! The anon_vma forest and the kernel's page tables as a picture, step by step: what `rmap-diff show` makes of a trace.
//!
//! [`film`] plays a trace and keeps what the world looked like after each operation, of both sides where they part.
//! A picture is laid out once, as SVG; the page holds the pictures of all steps. Nothing here decides what a finding is.
//!
//! | file | what |
//! | --- | --- |
//! | `show/film.rs` | plays the trace: steps, outcomes, calls, what was found |
//! | `show/scene.rs` | one side after one step: what is new, reused, freed, and what differs from the other side |
//! | `show/text.rs` | a step for a terminal |
//! | `show/layout.rs` | where each box lies, and which row each anon_vma has |
//! | `show/pages.rs` | what the kernel's page tables hold, below the forest |
//! | `show/svg.rs` | a step as one SVG |
//! | `show/html.rs`, `page.html`, `page.css`, `page.js` | all steps as one page that needs no network |

mod film;
pub mod html;
mod layout;
mod markup;
mod pages;
mod scene;
pub mod svg;
pub mod text;

pub use film::{Film, Found, Step, Together, film};
pub use scene::{AnonVma, Fate, Link, Process, Reuse, Scene, Vma};
