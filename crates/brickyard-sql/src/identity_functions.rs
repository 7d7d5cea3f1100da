//! Functions that ask who runs the statement. They are made anew for each statement: what they answer is the speaker's,
//! also inside a view, a function, a row filter or a mask of somebody else.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use brickyard_identity::Directory;
use brickyard_types::{Principal, PrincipalKind};
use datafusion::arrow::array::{Array, BooleanArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_string_array;
use datafusion::error::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::scalar::ScalarValue;

use crate::session::Current;

/// Those that SQL writes without brackets, unless a column is called so.
pub(crate) const BARE: [&str; 6] =
    ["current_user", "session_user", "user", "current_catalog", "current_schema", "current_database"];

const CALLED: [&str; 3] = ["current_metastore", "is_member", "is_account_group_member"];

/// Whether one of the functions is called so.
pub(crate) fn is_one(name: &str) -> bool {
    BARE.contains(&name) || CALLED.contains(&name)
}

/// The functions of one statement.
pub(crate) fn of(directory: &Directory, speaker: &Principal, current: &Current) -> Vec<Arc<ScalarUDF>> {
    let name = speaker.name.to_string();
    let system = matches!(speaker.kind, PrincipalKind::SystemServicePrincipal(_));
    let mut groups: Vec<String> = (directory.groups_of(speaker.id).iter())
        .filter_map(|id| directory.group_by_id(*id))
        .map(|group| group.name.to_string())
        .collect();
    let workspace = groups.clone();
    // A hidden system principal is in the workspace's `users`, but not in `account users`.
    groups.retain(|group| group != "users" && group != "admins");
    if !system {
        groups.push("account users".to_owned());
    }
    let mut functions: Vec<ScalarUDF> = Vec::new();
    for called in ["current_user", "session_user", "user"] {
        functions.push(ScalarUDF::from(Says::new(called, &name)));
    }
    functions.push(ScalarUDF::from(Says::new("current_catalog", &current.catalog)));
    for called in ["current_schema", "current_database"] {
        functions.push(ScalarUDF::from(Says::new(called, &current.schema)));
    }
    functions.push(ScalarUDF::from(Says::new("current_metastore", "brickyard")));
    functions.push(ScalarUDF::from(IsMember::new("is_member", workspace)));
    functions.push(ScalarUDF::from(IsMember::new("is_account_group_member", groups)));
    functions.into_iter().map(Arc::new).collect()
}

/// A function without arguments that says one text.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Says {
    name: &'static str,
    text: String,
    signature: Signature,
}

impl Says {
    fn new(name: &'static str, text: &str) -> Self {
        Self { name, text: text.to_owned(), signature: Signature::nullary(Volatility::Stable) }
    }
}

impl ScalarUDFImpl for Says {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(self.text.clone()))))
    }

    fn simplify(&self, _: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Simplified(lit(self.text.clone())))
    }
}

/// Whether the speaker is in a group.
#[derive(Debug)]
struct IsMember {
    name: &'static str,
    groups: Vec<String>,
    signature: Signature,
}

impl PartialEq for IsMember {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.groups == other.groups
    }
}

impl Eq for IsMember {}

impl Hash for IsMember {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.groups.hash(state);
    }
}

impl IsMember {
    fn new(name: &'static str, groups: Vec<String>) -> Self {
        Self { name, groups, signature: Signature::exact(vec![DataType::Utf8], Volatility::Stable) }
    }
}

impl ScalarUDFImpl for IsMember {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_in = |group: &str| self.groups.iter().any(|one| one == group);
        match &args.args[0] {
            ColumnarValue::Scalar(value) => {
                let found = value.try_as_str().flatten().map(is_in);
                Ok(ColumnarValue::Scalar(ScalarValue::Boolean(found)))
            }
            ColumnarValue::Array(array) => {
                let names = as_string_array(array)?;
                let found: BooleanArray = (0..names.len())
                    .map(|row| names.is_valid(row).then(|| is_in(names.value(row))))
                    .collect();
                Ok(ColumnarValue::Array(Arc::new(found)))
            }
        }
    }
}
