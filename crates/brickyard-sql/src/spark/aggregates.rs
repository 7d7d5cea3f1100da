//! Aggregates that DataFusion has not: `skewness`, `kurtosis` and `mode`.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

/// All of them.
pub(crate) fn all() -> [AggregateUDF; 4] {
    [
        ("skewness", Which::Skewness),
        ("kurtosis", Which::Kurtosis),
        ("mode", Which::Mode),
        ("mode_last", Which::ModeLast),
    ]
    .map(|(name, which)| {
        let signature = match which {
            Which::Mode | Which::ModeLast => Signature::any(1, Volatility::Immutable),
            _ => Signature::uniform(1, vec![DataType::Float64], Volatility::Immutable),
        };
        AggregateUDF::from(Own { name, which, signature })
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Which {
    Skewness,
    Kurtosis,
    /// Of several, the smallest.
    Mode,
    /// Of several, the largest.
    ModeLast,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Own {
    name: &'static str,
    which: Which,
    signature: Signature,
}

impl AggregateUDFImpl for Own {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match self.which {
            Which::Mode | Which::ModeLast => types[0].clone(),
            _ => DataType::Float64,
        })
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return Err(DataFusionError::NotImplemented(format!("{} of DISTINCT values", self.name)));
        }
        Ok(match self.which {
            which @ (Which::Mode | Which::ModeLast) => Box::new(Mode {
                counts: HashMap::new(),
                bytes: 0,
                of: args.return_field.data_type().clone(),
                last: which == Which::ModeLast,
            }),
            which => Box::new(Moments { which, n: 0.0, mean: 0.0, m: [0.0; 3] }),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field =
            |name: &str, data_type| Arc::new(Field::new(format!("{}[{name}]", args.name), data_type, true));
        Ok(match self.which {
            Which::Mode | Which::ModeLast => {
                let list = |of: DataType| DataType::List(Arc::new(Field::new_list_field(of, true)));
                let value = args.return_field.data_type().clone();
                vec![field("values", list(value)), field("counts", list(DataType::Int64))]
            }
            _ => ["n", "mean", "m2", "m3", "m4"].map(|name| field(name, DataType::Float64)).to_vec(),
        })
    }
}

/// Central moments, merged as they come (Chan, Golub and LeVeque; Pébay for the third and fourth).
#[derive(Debug)]
struct Moments {
    which: Which,
    n: f64,
    mean: f64,
    m: [f64; 3],
}

impl Moments {
    fn merge(&mut self, n: f64, mean: f64, [b2, b3, b4]: [f64; 3]) {
        if n == 0.0 {
            return;
        }
        let [a2, a3, a4] = self.m;
        let (a, all) = (self.n, self.n + n);
        let delta = mean - self.mean;
        let share = delta / all;
        self.m = [
            a2 + b2 + delta * share * a * n,
            a3 + b3 + delta * share * share * a * n * (a - n) + 3.0 * share * (a * b2 - n * a2),
            a4 + b4
                + delta * share * share * share * a * n * (a * a - a * n + n * n)
                + 6.0 * share * share * (a * a * b2 + n * n * a2)
                + 4.0 * share * (a * b3 - n * a3),
        ];
        self.mean += share * n;
        self.n = all;
    }
}

impl Accumulator for Moments {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Float64Type>().iter().flatten() {
            self.merge(1.0, value, [0.0; 3]);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let columns: Vec<_> = states.iter().map(|state| state.as_primitive::<Float64Type>()).collect();
        for row in 0..columns[0].len() {
            let [n, mean, m2, m3, m4] = [0, 1, 2, 3, 4].map(|at| columns[at].value(row));
            self.merge(n, mean, [m2, m3, m4]);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let [m2, m3, m4] = self.m;
        Ok([self.n, self.mean, m2, m3, m4].map(|part| ScalarValue::Float64(Some(part))).to_vec())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let [m2, m3, m4] = self.m;
        Ok(ScalarValue::Float64(if self.n == 0.0 || m2 == 0.0 {
            None
        } else if self.which == Which::Skewness {
            Some(self.n.sqrt() * m3 / m2.powf(1.5))
        } else {
            Some(self.n * m4 / (m2 * m2) - 3.0)
        }))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The value that is there most often; of several, the smallest, or the largest.
#[derive(Debug)]
struct Mode {
    counts: HashMap<ScalarValue, i64>,
    bytes: usize,
    of: DataType,
    last: bool,
}

impl Mode {
    fn add(&mut self, value: ScalarValue, count: i64) {
        if value.is_null() {
            return;
        }
        let bytes = value.size() + 32;
        let counted = self.counts.entry(value).or_insert_with(|| {
            self.bytes += bytes;
            0
        });
        *counted += count;
    }
}

impl Accumulator for Mode {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for row in 0..values[0].len() {
            self.add(ScalarValue::try_from_array(&values[0], row)?, 1);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (values, counts) = (states[0].as_list::<i32>(), states[1].as_list::<i32>());
        for row in 0..values.len() {
            if values.is_null(row) {
                continue;
            }
            let (values, counts) = (values.value(row), counts.value(row));
            let counts = counts.as_primitive::<Int64Type>();
            for at in 0..values.len() {
                self.add(ScalarValue::try_from_array(&values, at)?, counts.value(at));
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (values, counts): (Vec<_>, Vec<_>) =
            self.counts.iter().map(|(value, count)| (value.clone(), ScalarValue::from(*count))).unzip();
        Ok(vec![
            ScalarValue::List(ScalarValue::new_list_nullable(&values, &self.of)),
            ScalarValue::List(ScalarValue::new_list_nullable(&counts, &DataType::Int64)),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let best = self.counts.iter().max_by(|(a, x), (b, y)| {
            let order = b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal);
            x.cmp(y).then(if self.last { order.reverse() } else { order })
        });
        match best {
            Some((value, _)) => Ok(value.clone()),
            None => ScalarValue::try_from(&self.of),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes
    }
}
