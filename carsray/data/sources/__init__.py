"""Where pictures come from: one reader per layout, and the catalog that picks the right one."""
