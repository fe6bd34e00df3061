//! Finding bytes in long runs of bytes: a block at a time, in a loop that compilers turn into vector code.

/// Bytes that are looked at together.
const BLOCK: usize = 32;

/// Where the first `a` or `b` stands.
pub fn find_either(bytes: &[u8], a: u8, b: u8) -> Option<usize> {
    let mut blocks = bytes.chunks_exact(BLOCK);
    let mut passed = 0;
    for block in &mut blocks {
        if block.iter().fold(false, |found, byte| found | (*byte == a) | (*byte == b)) {
            break;
        }
        passed += BLOCK;
    }
    bytes[passed..].iter().position(|byte| *byte == a || *byte == b).map(|offset| passed + offset)
}

/// Where the first `wanted` stands.
pub fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    find_either(bytes, wanted, wanted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_is_found(bytes in proptest::collection::vec(0_u8..40, 0..200)) {
            prop_assert_eq!(find(&bytes, 7), bytes.iter().position(|byte| *byte == 7));
            let either = bytes.iter().position(|byte| [3, 9].contains(byte));
            prop_assert_eq!(find_either(&bytes, 3, 9), either);
        }
    }
}
