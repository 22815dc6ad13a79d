//! What the tree lets pass, and that no function of DuckDB comes in unseen.

use std::collections::BTreeSet;

use super::super::super::tests::{ask, opened};
use super::super::super::{Format, pack};
use super::super::allow::{Refusal, check};
use super::super::functions::{AGGREGATES, OPERATORS, SCALARS, TABLES, WINDOWS};
use super::{attacks, cases};

/// Functions that a stranger may not call: they tell of the database, change it, wait, read what is not theirs, run other
/// statements, or are DuckDB's own tools.
#[rustfmt::skip]
const REFUSED: &[&str] = &[
    "__between", "__cast", "__internal_barrier", "__internal_compress_geometry_point",
    "__internal_compress_integral_ubigint", "__internal_compress_integral_uinteger",
    "__internal_compress_integral_usmallint", "__internal_compress_integral_utinyint",
    "__internal_compress_string_hugeint", "__internal_compress_string_ubigint", "__internal_compress_string_uhugeint",
    "__internal_compress_string_uinteger", "__internal_compress_string_usmallint",
    "__internal_compress_string_utinyint", "__internal_compressed_materialization_cast",
    "__internal_decompress_geometry_point", "__internal_decompress_integral_bigint",
    "__internal_decompress_integral_hugeint", "__internal_decompress_integral_integer",
    "__internal_decompress_integral_smallint", "__internal_decompress_integral_ubigint",
    "__internal_decompress_integral_uhugeint", "__internal_decompress_integral_uinteger",
    "__internal_decompress_integral_usmallint", "__internal_decompress_string", "__internal_json_copy_to_geojson",
    "__internal_json_copy_to_json", "__internal_tablefilter_bloom_filter", "__internal_tablefilter_dynamic",
    "__internal_tablefilter_optional", "__internal_tablefilter_prefix_range",
    "__internal_tablefilter_selectivity_optional", "aggregate", "alias", "bitstring_byte_comparable",
    "can_cast_implicitly", "cast_to_type", "col_description", "combine", "constant_or_null", "create_sort_key",
    "current_catalog", "current_connection_id", "current_database", "current_query", "current_query_id",
    "current_role", "current_schema", "current_schemas", "current_setting", "current_transaction_id", "current_user",
    "currval", "decimal_division", "enum_code", "enum_first", "enum_last", "enum_range", "enum_range_boundary",
    "finalize", "format_pg_type", "format_type", "get_block_size", "get_type", "getvariable",
    "has_any_column_privilege", "has_column_privilege", "has_database_privilege",
    "has_foreign_data_wrapper_privilege", "has_function_privilege", "has_language_privilege", "has_schema_privilege",
    "has_sequence_privilege", "has_server_privilege", "has_table_privilege", "has_tablespace_privilege",
    "hive_partition_component", "in_search_path", "index_key", "inet_client_addr", "inet_client_port",
    "inet_server_addr", "inet_server_port", "invoke", "is_histogram_other_bin", "json_copy_strftime_if_date",
    "json_copy_strftime_if_timestamp", "json_deserialize_sql", "json_serialize_plan", "json_serialize_sql",
    "make_type", "map_to_pg_oid", "nextval", "normalized_interval", "obj_description", "parse_duckdb_log_message",
    "path_join", "pg_collation_is_visible", "pg_conf_load_time", "pg_conversion_is_visible", "pg_function_is_visible",
    "pg_get_constraintdef", "pg_get_expr", "pg_get_viewdef", "pg_has_role", "pg_is_other_temp_schema",
    "pg_my_temp_schema", "pg_opclass_is_visible", "pg_operator_is_visible", "pg_opfamily_is_visible",
    "pg_postmaster_start_time", "pg_size_pretty", "pg_sleep", "pg_table_is_visible", "pg_ts_config_is_visible",
    "pg_ts_dict_is_visible", "pg_ts_parser_is_visible", "pg_ts_template_is_visible", "pg_type_is_visible",
    "pg_typeof", "remap_struct", "replace_type", "session_user", "setseed", "setval", "shobj_description", "sleep_ms",
    "st_asbinary", "st_asgeojson", "st_astext", "st_aswkb", "st_aswkt", "st_crs", "st_geomfromgeojson",
    "st_geomfromwkb", "st_intersects_extent", "st_setcrs", "stats", "switch", "timetz_byte_comparable",
    "to_aggregate_state", "transaction_timestamp", "txid_current", "unpivot_list", "user", "variant_array_length",
    "variant_bytes_to_variant", "variant_comparator", "variant_contains", "variant_exists", "variant_extract",
    "variant_extract_string", "variant_group_array", "variant_keys", "variant_normalize",
    "variant_to_parquet_variant", "variant_type", "variant_typeof", "vector_type", "version", "vertex_extract",
    "write_log", "combine_aggr", "decimal_average", "sum_no_overflow", "variant_group_object",
];

#[test]
fn attacks_do_not_pass_unless_they_only_take_long() {
    let (dir, session) = opened();
    for case in attacks(dir.path()) {
        let passes = match check(&session.tree(&case.sql).unwrap()) {
            Ok(()) => true,
            Err(refusal) => {
                assert!(refusal.to_string().contains(&case.told), "{}: {refusal}", case.name);
                false
            }
        };
        let limited = ["memory", "time", "harmless", "a row has more than"].contains(&case.told.as_str());
        assert_eq!(passes, limited, "{}", case.name);
    }
}

#[test]
fn questions_pass() {
    let (_dir, session) = opened();
    let saved = pack();
    let mut all: Vec<(String, String)> = saved.values().map(|query| (query.name.clone(), query.sql.clone())).collect();
    all.extend(cases(include_str!("../../../../tests/sandbox/queries.sql")).into_iter().map(|c| (c.name, c.sql)));
    assert!(all.len() > 30);
    for (name, sql) in all {
        assert_eq!(check(&session.tree(&sql).unwrap()), Ok(()), "{name}");
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let (_dir, session) = opened();
    let refusal = |sql: &str| check(&session.tree(sql).unwrap()).unwrap_err();
    assert!(matches!(refusal("SELEC 1"), Refusal::Wrong(_)), "{:?}", refusal("SELEC 1"));
    assert!(matches!(refusal("SELECT 'open"), Refusal::Wrong(_)), "{:?}", refusal("SELECT 'open"));
    assert_eq!(refusal("SELECT 1; SELECT 2; SELECT 3"), Refusal::Several(3));
    assert_eq!(refusal("VACUUM"), Refusal::NoSelect);
    assert_eq!(refusal(" -- nothing"), Refusal::Nothing);
    assert_eq!(refusal(&format!("SELECT {}1", "1 + ".repeat(5000))), Refusal::Deep);
    let deep = format!("SELECT {}1{}", "(SELECT ".repeat(60), ")".repeat(60));
    assert_eq!(refusal(&deep), Refusal::Deep);
    for tree in ["", "[]", "{}", "{\"error\": false}", "{\"error\": false, \"statements\": [1]}", "{\"error\":"] {
        assert!(check(tree).is_err(), "{tree}");
    }
    // A kind of node that nobody knows.
    let tree = "{\"error\": false, \"statements\": [{\"node\": {\"type\": \"TELEPORT_NODE\"}}]}";
    assert_eq!(check(tree), Err(Refusal::Kind("TELEPORT".to_owned())));
}

#[test]
fn no_function_comes_in_unseen() {
    let (_dir, session) = opened();
    let sql = "SELECT DISTINCT function_name AS name, function_type AS kind FROM duckdb_functions() ORDER BY ALL";
    let text = ask(&session, sql, Format::Csv).unwrap();
    let (mut values, mut tables) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines().skip(1) {
        let (name, kind) = line.rsplit_once(',').unwrap();
        let name = name.trim_matches('"').replace("\"\"", "\"");
        match kind {
            "table" | "table_macro" => tables.insert(name),
            "pragma" => false,
            _ => values.insert(name),
        };
    }
    let allowed: Vec<&str> = [OPERATORS, SCALARS, AGGREGATES, WINDOWS].concat();
    let unknown: Vec<&String> =
        values.iter().filter(|n| !allowed.contains(&n.as_str()) && !REFUSED.contains(&n.as_str())).collect();
    assert!(unknown.is_empty(), "DuckDB has functions that are neither allowed nor refused: {unknown:?}");
    let gone: Vec<&&str> = allowed.iter().filter(|n| !values.contains(**n) && !["->", "unnest"].contains(*n)).collect();
    assert!(gone.is_empty(), "DuckDB has not what is allowed: {gone:?}");
    assert!(allowed.iter().all(|n| !REFUSED.contains(n)));
    assert!(TABLES.iter().all(|n| tables.contains(*n)), "{tables:?}");
}
