//! `hash(a, b, ..)`: Murmur3 of 32 bits, as Spark computes it, each value with the hash before it as seed.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use datafusion::error::Result;

use super::{Given, Made, Takes, always, instant, wrong};

pub(super) const ALL: &[Made] = &[Made {
    name: "hash",
    takes: &[Takes::Any],
    least: 1,
    more: true,
    returns: always!(DataType::Int32),
    body: hashes,
}];

fn hashes(given: &Given<'_>) -> Result<ArrayRef> {
    let mut seeds: Vec<u32> = vec![42; given.rows];
    for column in &given.columns {
        let hashed: Box<dyn Fn(usize, u32) -> u32> = match column.data_type() {
            DataType::Null => continue,
            DataType::Boolean | DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Date32 => {
                let whole = cast(column, &DataType::Int32)?.as_primitive::<Int32Type>().clone();
                Box::new(move |row, seed| finished(words(seed, &[whole.value(row) as u32]), 4))
            }
            DataType::Int64 => {
                let whole = column.as_primitive::<Int64Type>().clone();
                Box::new(move |row, seed| long(whole.value(row), seed))
            }
            DataType::Timestamp(..) => {
                let at = cast(column, &instant())?.as_primitive::<TimestampMicrosecondType>().clone();
                Box::new(move |row, seed| long(at.value(row), seed))
            }
            DataType::Float32 => {
                let real = column.as_primitive::<Float32Type>().clone();
                Box::new(move |row, seed| finished(words(seed, &[(real.value(row) + 0.0).to_bits()]), 4))
            }
            DataType::Float64 => {
                let real = column.as_primitive::<Float64Type>().clone();
                Box::new(move |row, seed| long((real.value(row) + 0.0).to_bits() as i64, seed))
            }
            DataType::Decimal128(precision, _) if *precision <= 18 => {
                let exact = column.as_primitive::<Decimal128Type>().clone();
                Box::new(move |row, seed| long(exact.value(row) as i64, seed))
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let texts = cast(column, &DataType::Utf8)?.as_string::<i32>().clone();
                Box::new(move |row, seed| bytes(texts.value(row).as_bytes(), seed))
            }
            DataType::Binary => {
                let binary = column.as_binary::<i32>().clone();
                Box::new(move |row, seed| bytes(binary.value(row), seed))
            }
            other => return wrong(format!("brickyard does not support hash of {other}")),
        };
        for (row, seed) in seeds.iter_mut().enumerate() {
            if column.is_valid(row) {
                *seed = hashed(row, *seed);
            }
        }
    }
    Ok(Arc::new(Int32Array::from_iter_values(seeds.into_iter().map(|seed| seed as i32))))
}

fn mixed(word: u32) -> u32 {
    word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

fn words(seed: u32, words: &[u32]) -> u32 {
    words.iter().fold(seed, |hash, word| {
        (hash ^ mixed(*word)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    })
}

fn finished(hash: u32, length: usize) -> u32 {
    let mut hash = hash ^ length as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

fn long(value: i64, seed: u32) -> u32 {
    finished(words(seed, &[value as u32, (value >> 32) as u32]), 8)
}

/// Whole words first, and then each byte that is left as a word of its own, with its sign.
fn bytes(bytes: &[u8], seed: u32) -> u32 {
    let chunks = bytes.chunks_exact(4);
    let rest = chunks.remainder();
    let hash = chunks.fold(seed, |hash, chunk| {
        words(hash, &[chunk.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte))])
    });
    let hash = rest.iter().fold(hash, |hash, byte| words(hash, &[i32::from(*byte as i8) as u32]));
    finished(hash, bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_sparks() {
        assert_eq!(bytes(b"abc", 42) as i32, 1_322_437_556);
        assert_eq!(finished(words(42, &[1]), 4) as i32, -559_580_957);
        assert_eq!(long(1, 42) as i32, -1_712_319_331);
        assert_eq!(bytes(b"a", finished(words(42, &[1]), 4)) as i32, -936_062_819);
    }
}
