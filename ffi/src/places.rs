//! The many buffers of a batch: whether each output is apart from all else that the call reads or writes.
//!
//! Outputs that are given in the order of their addresses, and inputs that lie beside all of them, cost a comparison
//! each. Otherwise the outputs are sorted, and an input is looked for among them.

use core::iter;
use core::ops::Range;

use crate::status::{Failure, Status};

/// Fails where an output shares a byte with another one or with an input, or any of them with the structs that lead to them.
/// `buffers` gives the inputs and the output of the struct at an index.
pub(crate) fn apart<const N: usize>(
    structs: Range<usize>,
    count: usize,
    buffers: impl Fn(usize) -> Result<([Range<usize>; N], Range<usize>), Failure>,
) -> Result<(), Failure> {
    let outputs = Outputs::new(count, (0..count).map(|index| Ok(buffers(index)?.1)))?;
    let answers = Outputs::new(1, iter::once(Ok(structs.clone())))?;
    outputs.are_apart_from(&structs)?;
    for index in 0..count {
        for input in buffers(index)?.0 {
            outputs.are_apart_from(&input)?;
            answers.are_apart_from(&input)?;
        }
    }
    Ok(())
}

/// Where outputs are, as addresses.
struct Outputs(Vec<Range<usize>>);

impl Outputs {
    /// From the place of each output; fails where two of them share a byte.
    fn new(count: usize, places: impl Iterator<Item = Result<Range<usize>, Failure>>) -> Result<Self, Failure> {
        let mut outputs = Vec::with_capacity(count.min(1024));
        for place in places {
            let place = place?;
            if !place.is_empty() {
                outputs.push(place);
            }
        }
        if !outputs.is_sorted_by_key(|place| place.start) {
            outputs.sort_unstable_by_key(|place| place.start);
        }
        match outputs.windows(2).all(|pair| pair[0].end <= pair[1].start) {
            true => Ok(Self(outputs)),
            false => Err(Status::Overlap.into()),
        }
    }

    /// Fails where an output shares a byte with this.
    #[inline]
    fn are_apart_from(&self, place: &Range<usize>) -> Result<(), Failure> {
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else { return Ok(()) };
        if place.is_empty() || place.end <= first.start || last.end <= place.start {
            return Ok(());
        }
        let next = self.0.partition_point(|output| output.end <= place.start);
        match self.0.get(next) {
            Some(output) if output.start < place.end => Err(Status::Overlap.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(places: &[Range<usize>]) -> Option<Outputs> {
        Outputs::new(places.len(), places.iter().cloned().map(Ok)).ok()
    }

    #[test]
    fn outputs_that_share_a_byte_are_refused_in_any_order() {
        assert!(outputs(&[]).is_some());
        assert!(outputs(&[10..20, 20..30, 40..50]).is_some());
        assert!(outputs(&[40..50, 10..20, 20..30]).is_some());
        assert!(outputs(&[10..20, 15..15, 19..19]).is_some(), "an empty one shares none");
        for places in
            [[10..20, 19..30, 40..50], [40..50, 19..30, 10..20], [10..20, 40..50, 10..20], [10..50, 40..41, 60..61]]
        {
            assert!(outputs(&places).is_none(), "{places:?}");
        }
    }

    #[test]
    fn a_place_over_any_output_is_refused() {
        let outputs = outputs(&[60..70, 10..20, 30..40]).unwrap();
        for apart in [0..10, 20..30, 25..26, 40..60, 70..90, 15..15] {
            assert!(outputs.are_apart_from(&apart).is_ok(), "{apart:?}");
        }
        for over in [0..11, 19..20, 0..100, 15..16, 25..31, 39..60, 65..90, 20..61] {
            assert!(outputs.are_apart_from(&over).is_err(), "{over:?}");
        }
        assert!(Outputs(Vec::new()).are_apart_from(&(0..100)).is_ok());
    }
}
