BEGIN TRANSACTION;
CREATE TABLE "totals"(
  "n" INTEGER,
  "total" INTEGER,
  "x" REAL
);
INSERT INTO "totals" VALUES(6,30,5.0);
INSERT INTO "totals" VALUES(4,21,5.25);
CREATE UNIQUE INDEX "weir_key_totals" on "totals"(ifnull("n", x''));
COMMIT;
