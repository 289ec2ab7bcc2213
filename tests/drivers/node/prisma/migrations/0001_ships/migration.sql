CREATE TABLE "Ship" ("id" SERIAL NOT NULL, "name" TEXT NOT NULL, CONSTRAINT "Ship_pkey" PRIMARY KEY ("id"));
CREATE UNIQUE INDEX "Ship_name_key" ON "Ship"("name");
INSERT INTO "Ship" ("name") VALUES ('Möwe');
