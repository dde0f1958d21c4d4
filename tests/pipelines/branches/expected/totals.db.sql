BEGIN TRANSACTION;
CREATE TABLE "totals"(
  "country" TEXT,
  "n" INTEGER,
  "total" REAL
);
INSERT INTO "totals" VALUES('AT',2,100.0);
INSERT INTO "totals" VALUES('CH',1,7.0);
INSERT INTO "totals" VALUES('DE',3,309.5);
INSERT INTO "totals" VALUES(NULL,1,3.0);
CREATE UNIQUE INDEX "weir_key_totals" on "totals"(ifnull("country", x''));
COMMIT;
