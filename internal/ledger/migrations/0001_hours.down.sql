DROP TABLE usage_positions;
DROP TABLE usage_hours;
