//! No side: what stands in the second place when one side runs alone.

use crate::rmap::{Call, Event, Fail, Revision, Rmap, Side};

/// The side that is not there: [`Solo`](super::Solo) runs without a second one.
pub enum NoPort {}

impl Rmap for NoPort {
    fn revision(&self) -> Revision {
        match *self {}
    }
    fn begin_operation(&mut self, _: &Fail) {
        match *self {}
    }
    fn attempts(&self) -> u32 {
        match *self {}
    }
    fn call(&mut self, _: Call) -> i32 {
        match *self {}
    }
}

impl Side for NoPort {
    fn events(&self) -> &[Event] {
        match *self {}
    }
    fn touched(&mut self, _: &mut Vec<u64>) {
        match *self {}
    }
    fn state(&mut self, _: &mut Vec<u64>) {
        match *self {}
    }
    fn live(&self) -> [u32; 3] {
        match *self {}
    }
    fn reset(&mut self) {
        match *self {}
    }
    fn last_warning(&self) -> Option<String> {
        match *self {}
    }
}
