//! What pages share.

pub mod account_menu;
pub mod address;
pub mod band;
pub mod chart;
pub mod connection;
pub mod failure;
pub mod follow;
pub mod icon;
pub mod maintenance;
pub mod moment;
pub mod navigation;
pub mod page;
pub mod palette;
pub mod remedy;
pub mod runbook;
pub mod sent;
pub mod size;
pub mod sparkline;
pub mod split;
pub mod text_area;
pub mod time_axis;
