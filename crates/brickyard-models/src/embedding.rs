//! Embeddings without a model: words, pairs of words and letter triples, each hashed to a direction.
//!
//! Texts that share words point the same way, so a similarity search in a test finds what a reader
//! expects. It understands nothing: "car" and "automobile" are strangers.

/// The unit vector of a text; the same text always gives the same vector.
pub fn embed(text: &str, dimensions: u32) -> Vec<f32> {
    let mut vector = vec![0.0; dimensions.max(1) as usize];
    let text = text.to_lowercase();
    let mut previous: Option<&str> = None;
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        // The weights are powers of two, so that sums are exact in any order.
        add(&mut vector, hash(&[b"w", word.as_bytes()]), 1.0);
        if let Some(previous) = previous.replace(word) {
            add(&mut vector, hash(&[b"p", previous.as_bytes(), b" ", word.as_bytes()]), 0.5);
        }
        let starts: Vec<usize> = word.char_indices().map(|(at, _)| at).chain([word.len()]).collect();
        for window in starts.windows(4) {
            add(&mut vector, hash(&[b"t", &word.as_bytes()[window[0]..window[3]]]), 0.5);
        }
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    } else {
        // A text without words still needs a direction.
        add(&mut vector, hash(&[b"e", text.as_bytes()]), 1.0);
    }
    vector
}

fn add(vector: &mut [f32], hash: u64, weight: f32) {
    let index = (hash >> 1) % vector.len() as u64;
    vector[index as usize] += if hash & 1 == 0 { weight } else { -weight };
}

/// FNV-1a, then mixed: its low bits alone are too alike for short words.
fn hash(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().copied().flatten();
    let mut hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| (h ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cosine(a: &str, b: &str) -> f32 {
        embed(a, 1024).iter().zip(embed(b, 1024)).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn texts_that_share_words_are_near() {
        let query = "How do I reset my password?";
        let near = cosine(query, "To reset your password, open the settings.");
        let far = cosine(query, "Flights to Paris leave daily at noon.");
        assert!(near > 0.2 && near > far + 0.15, "near {near}, far {far}");
        assert!(cosine("travel policies", "travelling policy") > 0.2);
        assert!(cosine("Hello, World", "hello world") > 0.999);
    }

    proptest! {
        #[test]
        fn every_text_has_one_unit_vector(text in any::<String>(), dimensions in 1u32..64) {
            let vector = embed(&text, dimensions);
            prop_assert_eq!(vector.len(), dimensions as usize);
            prop_assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4);
            prop_assert_eq!(vector, embed(&text, dimensions));
        }
    }
}
