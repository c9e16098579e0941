//! The colours behind the numbers 0–98, as clients agree on them.

use monster_bridge_api::Colour;

/// Red, green and blue of the colours 0–98.
#[rustfmt::skip]
const PALETTE: [u32; 99] = [
    0xff_ff_ff, 0x00_00_00, 0x00_00_7f, 0x00_93_00, 0xff_00_00, 0x7f_00_00, 0x9c_00_9c, 0xfc_7f_00,
    0xff_ff_00, 0x00_fc_00, 0x00_93_93, 0x00_ff_ff, 0x00_00_fc, 0xff_00_ff, 0x7f_7f_7f, 0xd2_d2_d2,
    0x47_00_00, 0x47_21_00, 0x47_47_00, 0x32_47_00, 0x00_47_00, 0x00_47_2c,
    0x00_47_47, 0x00_27_47, 0x00_00_47, 0x2e_00_47, 0x47_00_47, 0x47_00_2a,
    0x74_00_00, 0x74_3a_00, 0x74_74_00, 0x51_74_00, 0x00_74_00, 0x00_74_49,
    0x00_74_74, 0x00_40_74, 0x00_00_74, 0x4b_00_74, 0x74_00_74, 0x74_00_45,
    0xb5_00_00, 0xb5_63_00, 0xb5_b5_00, 0x7d_b5_00, 0x00_b5_00, 0x00_b5_71,
    0x00_b5_b5, 0x00_63_b5, 0x00_00_b5, 0x75_00_b5, 0xb5_00_b5, 0xb5_00_6b,
    0xff_00_00, 0xff_8c_00, 0xff_ff_00, 0xb2_ff_00, 0x00_ff_00, 0x00_ff_a0,
    0x00_ff_ff, 0x00_8c_ff, 0x00_00_ff, 0xa5_00_ff, 0xff_00_ff, 0xff_00_98,
    0xff_59_59, 0xff_b4_59, 0xff_ff_71, 0xcf_ff_60, 0x6f_ff_6f, 0x65_ff_c9,
    0x6d_ff_ff, 0x59_b4_ff, 0x59_59_ff, 0xc4_59_ff, 0xff_66_ff, 0xff_59_bc,
    0xff_9c_9c, 0xff_d3_9c, 0xff_ff_9c, 0xe2_ff_9c, 0x9c_ff_9c, 0x9c_ff_db,
    0x9c_ff_ff, 0x9c_d3_ff, 0x9c_9c_ff, 0xdc_9c_ff, 0xff_9c_ff, 0xff_94_d3,
    0x00_00_00, 0x13_13_13, 0x28_28_28, 0x36_36_36, 0x4d_4d_4d, 0x65_65_65,
    0x81_81_81, 0x9f_9f_9f, 0xbc_bc_bc, 0xe2_e2_e2, 0xff_ff_ff,
];

/// The colour of a number; `None` from 99 on.
pub(super) fn colour_of(number: u8) -> Option<Colour> {
    let [_, red, green, blue] = PALETTE.get(usize::from(number))?.to_be_bytes();
    Some(Colour(red, green, blue))
}

/// The number whose colour is nearest; of two the lower, which more clients know.
pub(super) fn nearest(colour: Colour) -> u8 {
    (0..99).min_by_key(|number| colour_of(*number).map_or(u32::MAX, |other| distance(colour, other))).unwrap_or(1)
}

fn distance(a: Colour, b: Colour) -> u32 {
    let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    square(a.0, b.0) * 2 + square(a.1, b.1) * 4 + square(a.2, b.2) * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_of_the_palette_is_nearest_to_itself() {
        for number in 0..99 {
            let colour = colour_of(number).unwrap();
            assert_eq!(colour_of(nearest(colour)), Some(colour), "{number}");
        }
        assert_eq!(colour_of(99), None);
        assert_eq!(nearest(Colour(254, 1, 1)), 4);
    }
}
