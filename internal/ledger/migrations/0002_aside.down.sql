DROP TABLE usage_aside;
