//! The live page in a real browser.

use crate::page;

#[test]
fn page_is_live() {
    page::is_live();
}

#[test]
fn page_shows_hostile_text_as_text() {
    page::shows_hostile_text_as_text();
}

#[test]
fn page_searches_and_obeys_keys() {
    page::searches_and_obeys_keys();
}

#[test]
fn page_fits_a_phone() {
    page::fits_a_phone();
}

#[test]
fn page_comes_back() {
    page::comes_back();
}

#[test]
fn page_screenshots() {
    page::screenshots();
}
