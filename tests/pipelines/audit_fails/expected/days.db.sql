BEGIN TRANSACTION;
CREATE TABLE "weir_new_days"(
  "day" DATE TEXT,
  "country" TEXT,
  "sales" INTEGER
);
INSERT INTO "weir_new_days" VALUES('2024-03-01','AT',10);
INSERT INTO "weir_new_days" VALUES('2024-03-01','CH',NULL);
INSERT INTO "weir_new_days" VALUES('2024-03-02','DE',-40);
COMMIT;
