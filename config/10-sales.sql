-- The demo's sales: one table, and three people who see different rows of it.
--
--   ana    an analyst   the orders of EMEA, customers masked
--   ben    neither      nothing: no SELECT
--   carol  a manager    everything
--   the concierge's own service principal: every region, customers masked
--
-- It runs once as workspace.admins[0], and again after a change to it. So everything in it can be run twice.

CREATE CATALOG IF NOT EXISTS main COMMENT 'The demo''s data';
CREATE SCHEMA IF NOT EXISTS main.sales COMMENT 'What the travel agency sold';
USE main.sales;

CREATE OR REPLACE TABLE orders AS
SELECT
  CAST(order_id AS INT) AS order_id,
  CAST(ordered_on AS DATE) AS ordered_on,
  region,
  city,
  customer_email,
  CAST(amount AS DECIMAL(10, 2)) AS amount
FROM read_files('data/orders.csv', format => 'csv', header => true);
COMMENT ON TABLE orders IS 'One row an order';

-- current_user() of a service principal is its application id, which has no @.
CREATE OR REPLACE FUNCTION may_see_region(region STRING) RETURNS BOOLEAN
COMMENT 'Which orders somebody sees'
RETURN is_account_group_member('managers') OR region = 'EMEA' OR current_user() NOT LIKE '%@%';

CREATE OR REPLACE FUNCTION mask_email(email STRING) RETURNS STRING
COMMENT 'Customers are for managers only'
RETURN CASE WHEN is_account_group_member('managers') THEN email ELSE '***' END;

ALTER TABLE orders SET ROW FILTER may_see_region ON (region);
ALTER TABLE orders ALTER COLUMN customer_email SET MASK mask_email;

CREATE OR REPLACE FUNCTION revenue(of_region STRING) RETURNS DECIMAL(20, 2)
COMMENT 'What was sold in a region, as far as the caller sees it'
RETURN SELECT sum(amount) FROM main.sales.orders WHERE region = of_region;

GRANT USE CATALOG ON CATALOG main TO `account users`;
GRANT USE SCHEMA ON SCHEMA main.sales TO `account users`;
GRANT SELECT ON TABLE orders TO analysts;
GRANT SELECT ON TABLE orders TO managers;
GRANT EXECUTE ON FUNCTION revenue TO analysts;
GRANT EXECUTE ON FUNCTION revenue TO managers;
