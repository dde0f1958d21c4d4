BEGIN TRANSACTION;
CREATE TABLE "pairs"(
  "k" INTEGER,
  "n" INTEGER,
  "m" REAL,
  "r_n" INTEGER,
  "r_b" TEXT
);
INSERT INTO "pairs" VALUES(2,9,9.0,13,'b43');
INSERT INTO "pairs" VALUES(5,5,5.0,5,'b14');
INSERT INTO "pairs" VALUES(1,8,2.5,7,'b9');
INSERT INTO "pairs" VALUES(4,8,2.5,5,'a longer text number 8 of b');
INSERT INTO "pairs" VALUES(3,8,2.5,2,'b7');
CREATE UNIQUE INDEX "weir_key_pairs" on "pairs"(ifnull("k", x''));
COMMIT;
